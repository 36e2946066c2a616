"""CLAIM 2024, the checklist for artificial intelligence in medical imaging: 44 items, topics in our own words."""

from __future__ import annotations

from cxrlens.report.checklists.item import Checklist, Item

CLAIM = Checklist(
    short="CLAIM 2024",
    citation="Tejani et al., Radiology: Artificial Intelligence 2024, 6(4):e240300",
    checked="numbers and topics of all 44 items, against two published lists of the 2024 items",
    items=(
        Item("1", "Title", "the title says that AI was used, and which kind", supply="the method, named in the title"),
        Item("2", "Abstract", "a structured summary", supply="the summary; its figures are in report.html"),
        Item(
            "3",
            "Introduction",
            "clinical background, intended use and role",
            supply="who would use it, and for what",
        ),
        Item("4", "Introduction", "aims and hypotheses", supply="the aims, as they were before the result was known"),
        Item("5", "Study design", "prospective or retrospective", supply="how the images came to be collected"),
        Item("6", "Study design", "what the study is to show", supply="the goal (a model, a comparison, a trial)"),
        Item("7", "Data", "where the data come from", "sources", "how each source was collected, and its terms"),
        Item(
            "8", "Data", "who and what was included or left out", "exclusions", "eligibility, setting, place and dates"
        ),
        Item("9", "Data", "preprocessing", "preprocessing"),
        Item("10", "Data", "parts of the data that were chosen", "subsets", "why these collections and no others"),
        Item("11", "Data", "how identities were removed", supply="how each source removed them, and who checked"),
        Item("12", "Data", "missing data", "missing_data", "why it is missing, and what that may do to the result"),
        Item("13", "Data", "how the images were taken", "acquisition", "devices, exposure and protocol of each source"),
        Item("14", "Reference standard", "how the truth was obtained", "labels", "how each source came to its labels"),
        Item("15", "Reference standard", "why this truth, and its errors", "label_errors", "why it is good enough"),
        Item("16", "Reference standard", "who labelled", supply="number, training and instructions of the labellers"),
        Item("17", "Reference standard", "how the test images were labelled", supply="who read them, with which tools"),
        Item("18", "Reference standard", "agreement between readers", supply="agreement between and within readers"),
        Item("19", "Data partitions", "how images were assigned to the parts", "partitions"),
        Item("20", "Data partitions", "the level at which the parts share nothing", "disjoint"),
        Item("21", "Testing data", "the intended number of test cases", "sample_size", "the calculation behind it"),
        Item("22", "Model", "the model, well enough to build it again", "network"),
        Item("23", "Model", "software and hardware", "software"),
        Item("24", "Model", "how the parameters were initialised", "initialisation"),
        Item("25", "Training", "the training in detail", "training"),
        Item("26", "Training", "how the final model was chosen", "selection"),
        Item("27", "Training", "ensembles", not_applicable="a run holds one network; no predictions are combined"),
        Item("28", "Evaluation", "measures of performance", "metrics", "why these measures fit the intended use"),
        Item("29", "Evaluation", "uncertainty of the figures", "uncertainty"),
        Item("30", "Evaluation", "robustness and sensitivity", "robustness"),
        Item("31", "Evaluation", "explanations, and whether they were tested", "explanations"),
        Item("32", "Evaluation", "test on internal data", "internal_test"),
        Item("33", "Evaluation", "test on external data", "external_test"),
        Item(
            "34",
            "Evaluation",
            "registration of a clinical trial",
            not_applicable="no trial: images that others collected before are measured",
        ),
        Item("35", "Results", "how many were included and left out", "flow"),
        Item("36", "Results", "age, sex and condition in each part", "demographics", "what the sources know of them"),
        Item("37", "Results", "performance on every part, with uncertainty", "all_parts"),
        Item("38", "Results", "diagnostic performance, with its precision", "diagnostic"),
        Item("39", "Results", "where it fails", "failures"),
        Item("40", "Discussion", "limitations", "limitations", "what you know of the data that no file tells"),
        Item("41", "Discussion", "what it means for practice", supply="the intended use and the clinical role, if any"),
        Item(
            "42", "Other", "the protocol, and further technical details", "technical", "where the protocol can be read"
        ),
        Item("43", "Other", "availability of software, model and data", "artefacts", "where others can get them"),
        Item("44", "Other", "funding, and the funders' part", supply="their names, or that there were none"),
    ),
)
