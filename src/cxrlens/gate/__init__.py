"""The gate: is this a chest radiograph that the model may judge? Refusal with the reason, or a repaired image."""
