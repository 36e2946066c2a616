"""TRIPOD+AI, for reports of prediction models: 27 items with their parts (52 in all), topics in our own words."""

from __future__ import annotations

from cxrlens.report.checklists.item import Checklist, Item

_NO_TREATMENT = "the classes are named from one image; no treatment comes into it"
_PIXELS = "the only predictor is the image; nobody reads it before the network does"

TRIPOD = Checklist(
    short="TRIPOD+AI",
    citation="Collins et al., BMJ 2024, 385:e078378",
    checked="numbers and topics of all 27 items with their parts, against the form of 11 January 2024",
    items=(
        Item("1", "Title", "developing or evaluating, for whom, which outcome", supply="these, in the title"),
        Item(
            "2", "Abstract", "a summary by the guideline's own list", supply="the summary, by TRIPOD+AI for Abstracts"
        ),
        Item(
            "3a",
            "Introduction",
            "medical context and existing models",
            supply="the question, and who answered it before",
        ),
        Item("3b", "Introduction", "for which patients and users", supply="population, place in the pathway, users"),
        Item("3c", "Introduction", "known inequalities in health", supply="what is known of unequal care here"),
        Item("4", "Introduction", "objectives", supply="whether a model is developed, evaluated, or both"),
        Item("5a", "Data", "sources for development and for evaluation", "sources", "why these data, and how typical"),
        Item("5b", "Data", "dates of the data", supply="first and last date of each source"),
        Item("6a", "Participants", "setting and number of centres", "centres", "kind of care and place of each source"),
        Item("6b", "Participants", "who was eligible", "exclusions", "eligibility at each source"),
        Item("6c", "Participants", "treatments", not_applicable=_NO_TREATMENT),
        Item(
            "7", "Data preparation", "preprocessing and quality checks", "quality", "whether it is alike for all groups"
        ),
        Item("8a", "Outcome", "the outcome, how and when assessed", "labels", "how each source assessed it"),
        Item("8b", "Outcome", "who assessed it", supply="training of those who labelled"),
        Item(
            "8c", "Outcome", "blinding of that assessment", supply="whether labellers knew of the model or the source"
        ),
        Item("9a", "Predictors", "how predictors were chosen", not_applicable=_PIXELS),
        Item(
            "9b", "Predictors", "what each predictor is, and when measured", "preprocessing", "when images were taken"
        ),
        Item("9c", "Predictors", "who assessed predictors", not_applicable=_PIXELS),
        Item("10", "Sample size", "the size, and why it suffices", "sample_size", "the calculation behind it"),
        Item("11", "Missing data", "missing data and their handling", "missing_data", "why they are missing"),
        Item("12a", "Analysis", "how the data were divided and used", "partitions"),
        Item("12b", "Analysis", "how predictors were transformed", "preprocessing"),
        Item("12c", "Analysis", "kind of model, building and internal validation", "model_building", "why this kind"),
        Item("12d", "Analysis", "differences between clusters", "clusters"),
        Item("12e", "Analysis", "measures and plots of performance", "measures", "why these fit the intended use"),
        Item("12f", "Analysis", "updating of the model", "recalibration"),
        Item("12g", "Analysis", "how predictions were computed", "artefacts_used"),
        Item("13", "Class imbalance", "methods against imbalance, and recalibration", "imbalance"),
        Item("14", "Fairness", "what was done for fairness", supply="what was done, or that nothing was"),
        Item("15", "Model output", "probabilities, classes and thresholds", "output"),
        Item("16", "Training and evaluation", "differences between development and test data", "train_and_test"),
        Item("17", "Ethics", "ethics committee and consent", supply="approval or waiver for each source"),
        Item("18a", "Open science", "funding", supply="the funders and their part, or that there were none"),
        Item("18b", "Open science", "conflicts of interest", supply="the declaration, or that there are none"),
        Item("18c", "Open science", "protocol", supply="where it can be read, or that none was written"),
        Item("18d", "Open science", "registration", supply="register and number, or that it was not registered"),
        Item("18e", "Open science", "sharing of the data", "data_hash", "where others can get the data"),
        Item("18f", "Open science", "sharing of the code", "technical", "where this version of the code can be got"),
        Item(
            "19", "Involvement", "part that patients and the public took", supply="what it was, or that there was none"
        ),
        Item("20a", "Participants", "flow of participants", "flow"),
        Item(
            "20b", "Participants", "characteristics, by source", "characteristics", "dates, and what sources know more"
        ),
        Item("20c", "Participants", "development and test data compared", "train_and_test"),
        Item("21", "Model development", "numbers in each analysis", "numbers"),
        Item(
            "22", "Model specification", "the full model, for others to use", "artefacts", "terms of access and reuse"
        ),
        Item(
            "23a",
            "Performance",
            "performance with intervals, and for groups",
            "diagnostic",
            "figures by sex and by age",
        ),
        Item("23b", "Performance", "performance in each cluster", "clusters"),
        Item("24", "Updating", "results of updating", "recalibration"),
        Item(
            "25", "Discussion", "interpretation, fairness included", "interpretation", "what it means beside other work"
        ),
        Item("26", "Discussion", "limitations", "limitations", "what you know of the data that no file tells"),
        Item("27a", "Usability", "poor or missing input", "gate"),
        Item("27b", "Usability", "what users must do and know", supply="who reads the output, and with what training"),
        Item("27c", "Usability", "next steps", supply="what must be shown before anybody may rely on it"),
    ),
)
