"""Structured report of an answer: TID 1500 Measurement Report (PS3.16) as a Comprehensive SR (PS3.3 A.35.3).

Everything that is said of the image stands in one measurement group (TID 1501). The group's Finding is the answer, and
is there only where there is one; each probability is a number whose modifier tells the class it belongs to. A group for
each class would make a program that passes over the numbers list all four as findings.
"""

from __future__ import annotations

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    ComprehensiveSR,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from cxrlens import RESEARCH_ONLY, __version__
from cxrlens.serving.dicom.codes import (
    CHEST,
    CHEST_RADIOGRAPHY,
    COMMENT,
    FINDING,
    NEURAL_NETWORK,
    NO_UNITS,
    PROBABILITY,
    SCHEME,
    SET_MEMBER,
    STATUS,
    STATUSES,
    UNDETERMINED,
    finding,
)
from cxrlens.serving.dicom.library import image_library
from cxrlens.serving.dicom.maker import NAME, Maker
from cxrlens.serving.dicom.wording import remarks
from cxrlens.serving.prediction import Prediction

_CONTAINS = RelationshipTypeValues.CONTAINS


def make_report(maker: Maker) -> Dataset:
    """The report of any answer, also of a refusal, and of an image that cannot be decoded.

    It is UNVERIFIED, since no person stands for it, and COMPLETE where the image was judged, else PARTIAL. Its tree is
    ``ContentSequence``; what highdicom keeps as ``content`` besides is the root alone, until it is read from its bytes.
    """
    header, prediction = maker.source.header, maker.prediction
    content = MeasurementReport(
        observation_context=_context(maker),
        procedure_reported=CHEST_RADIOGRAPHY,
        imaging_measurements=[_group(maker)],
        title=codes.DCM.ImagingMeasurementReport,
    )
    root = content[0]
    items = root.ContentSequence
    begin = next(i for i, item in enumerate(items) if item.RelationshipType == _CONTAINS.value)
    notice = TextContentItem(COMMENT, RESEARCH_ONLY, _CONTAINS)
    whole = ContentSequence([*items[:begin], notice, image_library(header), *items[begin:]])
    root.ContentSequence = ContentSequence()
    judged = prediction.status in ("answered", "not sure")
    report = ComprehensiveSR(
        evidence=[maker.evidence()],
        content=root,
        is_complete=judged,
        is_final=False,
        is_verified=False,
        coding_schemes=[
            CodingSchemeIdentificationItem(SCHEME, name="cxrlens local codes", responsible_organization=NAME)
        ],
        **maker.common("report", 1),
    )
    # Put in afterwards: highdicom would copy the tree and walk it five times, to find no image but the source.
    report.ContentSequence = whole
    if not judged:
        report.CompletionFlagDescription = f"{prediction.status}: see the comments"[:64]
    return maker.stamped(report)


def _context(maker: Maker) -> ObservationContext:
    """TID 1001: the observer is the model, a device (TID 1004)."""
    device = DeviceObserverIdentifyingAttributes(
        uid=maker.device_uid,
        name=f"{NAME} {__version__}",
        manufacturer_name=NAME,
        model_name=maker.model_name,
        serial_number=maker.identity,
    )
    return ObservationContext(observer_device_context=ObserverContext(codes.DCM.Device, device))


def _algorithm(maker: Maker) -> AlgorithmIdentification:
    """TID 4019."""
    return AlgorithmIdentification(
        name=f"{NAME} {maker.model_name}",
        version=__version__,
        manufacturer=NAME,
        family=NEURAL_NETWORK,
        parameters=[
            f"SHA-256 of the weights: {maker.model_hash}",
            f"calibrated: {'yes' if maker.prediction.calibrated else 'no'}",
        ],
    )


def _group(maker: Maker) -> MeasurementsAndQualitativeEvaluations:
    """TID 1501, with the remarks as comments."""
    header, prediction = maker.source.header, maker.prediction
    members = [QualitativeEvaluation(SET_MEMBER, finding(name)) for name in prediction.prediction_set or ()]
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=maker.uid("tracking"), identifier=f"{NAME} answer"),
        finding_type=_answer(prediction),
        finding_sites=[FindingSite(CHEST)],
        algorithm_id=_algorithm(maker),
        measurements=[_probability(name, share) for name, share in (prediction.probabilities or {}).items()],
        qualitative_evaluations=[QualitativeEvaluation(STATUS, STATUSES[prediction.status]), *members],
        source_images=[SourceImageForMeasurementGroup.from_source_image(header)],
    )
    group[0].ContentSequence.extend(TextContentItem(COMMENT, text[:1024], _CONTAINS) for text in remarks(prediction))
    return group


def _answer(prediction: Prediction) -> Code | None:
    """The label; 'Undetermined' where the model abstains; nothing where the image was not judged."""
    if prediction.label is not None:
        return finding(prediction.label)
    return UNDETERMINED if prediction.status == "not sure" else None


def _probability(label: str, share: float) -> Measurement:
    """TID 300: a number of unit 1, of the class that its modifier names; rounded as in the JSON line."""
    measurement = Measurement(PROBABILITY, round(share, 6), NO_UNITS)
    modifier = CodeContentItem(FINDING, finding(label), RelationshipTypeValues.HAS_CONCEPT_MOD)
    held = list(measurement[0].get("ContentSequence") or [])
    measurement[0].ContentSequence = ContentSequence([*held, modifier])
    return measurement
