"""Remedies of training: what each image counts, group-robust and adversarial objectives, and doubted labels."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning_fabric import Fabric
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from cxrlens.batches import open_packed, pack
from cxrlens.chain.settings import training_options
from cxrlens.errors import OptionError
from cxrlens.folders import DatasetFolder, RunFolder
from cxrlens.labels import CLASSES
from cxrlens.manifest import new_manifest, write_manifest
from cxrlens.preprocessing import Preprocessing
from cxrlens.training import Silent, Step, TrainingOptions, train
from cxrlens.training.adversary import Adversary, AdversaryOptions, ramp, reverse
from cxrlens.training.balance import LARGEST, Groups, groups_of, image_weights, trust_of
from cxrlens.training.data import make_loaders, training_rows
from cxrlens.training.group_robust import GroupRobust
from cxrlens.training.launch import make_fabric
from cxrlens.training.objective import Objective, Share
from cxrlens.training.session import Material, assemble
from toy_dataset import write_toy_dataset

OPTIONS = TrainingOptions(
    model="compact", preprocessing=Preprocessing(size=64), epochs=2, batch_size=12, checkpoint_seconds=0
)
REMEDIES = {
    "group-dro": {"objective": "group-dro", "group_step": 0.5},
    "adversary": {"objective": "adversary", "adversary_strength": 0.5, "balance": "source-root"},
}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    """The toy set, its images from two sources of unequal size."""
    made = write_toy_dataset(tmp_path_factory.mktemp("toy") / "dataset")
    manifest = made.manifest()
    manifest["source"] = ["small" if i % 3 == 0 else "large" for i in range(len(manifest))]
    write_manifest(manifest, made.root / "manifest.csv")
    return made


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def rows_of(counts: dict[tuple[str, str], int]) -> pd.DataFrame:
    rows = [{"path": f"{c}-{s}-{i}", "label": c, "source": s} for (c, s), n in counts.items() for i in range(n)]
    return new_manifest(rows)


def weights(run: RunFolder) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = load_file(run.weights_path)
    return state


# what each image counts

COUNTS = st.dictionaries(
    st.tuples(st.sampled_from(CLASSES), st.sampled_from(["a", "b", "c"])), st.integers(1, 60), min_size=1
)


@settings(max_examples=60, deadline=None)
@given(counts=COUNTS, balance=st.sampled_from(["class", "none", "source", "source-root"]), seed=st.integers(0, 99))
def test_weights_have_mean_one_and_doubted_images_are_made_up_for(
    counts: dict[tuple[str, str], int], balance: str, seed: int
) -> None:
    groups = groups_of(rows_of(counts))
    labels = np.array([groups.names[g][0] for g in groups.of])
    trust = np.random.default_rng(seed).uniform(0.1, 1, len(labels))
    for given_trust in (None, trust):
        w = image_weights(groups, balance, given_trust)
        assert w.mean() == pytest.approx(1)
        assert (w > 0).all()
        if balance != "none":
            of_class = [w[labels == c].sum() for c in np.unique(labels)]
            assert of_class == pytest.approx([len(labels) / len(of_class)] * len(of_class))


def test_class_balance_is_scikit_learns() -> None:
    from sklearn.utils.class_weight import compute_sample_weight

    rows = rows_of({("Normal", "a"): 30, ("COVID-19", "b"): 5, ("Pneumonia", "a"): 11, ("Tuberculosis", "c"): 2})
    expected = compute_sample_weight("balanced", rows["label"])
    np.testing.assert_allclose(image_weights(groups_of(rows), "class"), expected)


def test_sources_weigh_the_same_within_a_class_or_by_their_root() -> None:
    groups = groups_of(rows_of({("Normal", "a"): 36, ("Normal", "b"): 9, ("Pneumonia", "a"): 15}))
    whole = [image_weights(groups, "source")[groups.of == g].sum() for g in range(3)]
    assert whole == pytest.approx([15, 15, 30])
    root = [image_weights(groups, "source-root")[groups.of == g].sum() for g in range(3)]
    assert root[0] / root[1] == pytest.approx(6 / 3)
    assert sum(root[:2]) == pytest.approx(30)


def test_an_image_of_a_tiny_group_is_capped_and_the_rest_goes_to_the_others() -> None:
    groups = groups_of(rows_of({("Normal", "a"): 500, ("Normal", "b"): 499, ("Normal", "c"): 1}))
    w = image_weights(groups, "source")
    assert w.max() == pytest.approx(LARGEST)
    assert w.mean() == pytest.approx(1)
    assert w[groups.of == 0].sum() == pytest.approx(w[groups.of == 1].sum())


def test_a_row_without_a_source_belongs_to_its_collection() -> None:
    rows = new_manifest([{"label": "Normal", "collection": "here"}, {"label": "Normal", "source": "there"}])
    assert groups_of(rows).names == (("Normal", "here"), ("Normal", "there"))


# doubted labels


def test_doubted_images_count_by_their_weight_and_blank_is_nothing(dataset: DatasetFolder, tmp_path: Path) -> None:
    rows = training_rows(dataset)
    paths = list(rows.train["path"])
    file = tmp_path / "suspects.csv"
    file.write_text(f"path,weight,remark\n{paths[0]},,blank\n{paths[1]},0.25,\nelsewhere.png,0.5,\n")
    assert trust_of(file, paths)[:3].tolist() == [0, 0.25, 1]
    packed = pack(rows.both, OPTIONS.preprocessing, dataset.packed_folder)
    loaders = make_loaders(packed, rows, dataclasses.replace(OPTIONS, doubtful=file), 0, 1)
    assert float(loaders.weights[0]) == 0
    same = (rows.train["label"] == rows.train["label"][1]).to_numpy().nonzero()[0]
    assert float(loaders.weights[1] / loaders.weights[same[-1]]) == pytest.approx(0.25)
    assert float(loaders.weights.mean()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("path\nx\n", "lacks the column"),
        ("path,weight\nx,2\n", "holds the weight '2'"),
        ("path,weight\nx,maybe\n", "holds the weight 'maybe'"),
        ("path,weight\nx,0\n", "none of which is in this dataset"),
    ],
)
def test_a_file_of_doubts_that_cannot_be_meant_is_refused_in_one_line(
    dataset: DatasetFolder, tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "suspects.csv"
    file.write_text(text)
    with pytest.raises(OptionError, match=says) as raised:
        train(dataset, tmp_path / "run", dataclasses.replace(OPTIONS, doubtful=file))
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_to_doubt_a_whole_class_is_refused() -> None:
    groups = groups_of(rows_of({("Normal", "a"): 3, ("COVID-19", "a"): 2}))
    with pytest.raises(OptionError, match="COVID-19"):
        image_weights(groups, "class", (np.array([g[0] == "Normal" for g in groups.names])[groups.of]).astype(float))


# options


def test_configurations_of_before_still_load() -> None:
    old = TrainingOptions().to_dict()
    for name in ("balance", "doubtful", "objective", "group_step", "adversary_strength"):
        del old[name]
    assert TrainingOptions.from_dict({**old, "class_weights": True}) == TrainingOptions()
    assert TrainingOptions.from_dict({**old, "class_weights": False}).balance == "none"


def test_remedies_survive_json_and_the_command_line() -> None:
    options = dataclasses.replace(OPTIONS, balance="source", doubtful=Path("s.csv"), objective="adversary")
    assert TrainingOptions.from_dict(json.loads(json.dumps(options.to_dict()))) == options
    told = training_options(64, {"doubtful": "s.csv", "objective": "group-dro", "group_step": "0.1"})
    assert (told.doubtful, told.objective, told.group_step) == (Path("s.csv"), "group-dro", 0.1)


@pytest.mark.parametrize("wrong", [{"balance": "sources"}, {"objective": "worst"}, {"adversary_strength": -1}])
def test_remedies_that_are_none_are_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        dataclasses.replace(OPTIONS, **wrong)


def test_scaled_gradients_do_not_go_with_the_adversary() -> None:
    with pytest.raises(OptionError, match="16-mixed"):
        dataclasses.replace(OPTIONS, objective="adversary", precision="16-mixed")


# group-robust

GROUPS = groups_of(rows_of({("Normal", "a"): 6, ("Normal", "b"): 3, ("COVID-19", "a"): 3}))


def share(rows: list[int], seed: int = 0, progress: float = 0.5) -> Share:
    logits = torch.randn(len(rows), 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    labels = [CLASSES.index(GROUPS.names[GROUPS.of[r]][0]) for r in rows]
    return Share(logits.requires_grad_(), torch.tensor(labels), torch.tensor(rows), len(rows), progress)


def test_group_weights_follow_the_formula_of_the_paper(fabric: Fabric) -> None:
    robust = GroupRobust(fabric, torch.ones(12), 0.1, GROUPS, 0.3, torch.float64)
    q = np.full(3, 1 / 3)
    for seed, rows in enumerate(([0, 1, 6, 9], [2, 7, 8], [10, 11, 3, 4])):  # the second lacks a group
        step = share(rows, seed)
        each = F.cross_entropy(step.logits, step.targets, reduction="none", label_smoothing=0.1).detach().numpy()
        of = GROUPS.of[rows]
        mean = np.array([each[of == g].mean() if (of == g).any() else 0 for g in range(3)])
        q = q * np.exp(0.3 * mean)
        q /= q.sum()
        loss = robust.loss(step)
        assert robust.shares.numpy() == pytest.approx(q, rel=1e-12)
        assert float(loss.detach()) == pytest.approx(float((q * mean).sum()), rel=1e-12)


def test_group_weights_go_to_the_worst_group_and_doubts_count_within_a_group(fabric: Fabric) -> None:
    robust = GroupRobust(fabric, torch.tensor([1.0] * 6 + [1, 0, 1] + [1.0] * 3), 0.0, GROUPS, 0.1, torch.float64)
    rows = list(range(12))
    for _ in range(30):
        step = share(rows)
        step.logits.data[6:9] = torch.tensor([-3.0, 0, 0, 0])  # the group (Normal, b) is always wrong
        loss = robust.loss(step)
    assert int(robust.shares.argmax()) == GROUPS.names.index(("Normal", "b"))
    assert float(robust.shares.sum()) == pytest.approx(1)
    loss.backward()
    assert step.logits.grad is not None
    assert float(step.logits.grad[7].abs().max()) == 0


# adversary


def test_reversal_keeps_the_values_and_turns_the_gradient() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = reverse(x, 0.7)
    assert torch.equal(y, x)
    (y * torch.tensor([3.0, 5.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == pytest.approx([-2.1, -3.5])


def test_the_ramp_is_that_of_the_paper() -> None:
    assert ramp(0) == 0
    assert ramp(0.5) == pytest.approx((1 - math.exp(-5)) / (1 + math.exp(-5)))
    assert ramp(1) == pytest.approx(1, abs=1e-4)


def adversary(fabric: Fabric, bare: nn.Module, strength: float = 1.0) -> Adversary:
    both = (torch.ones(12), torch.tensor(image_weights(GROUPS, "source")))
    return Adversary(fabric, both, 0.0, bare, GROUPS, AdversaryOptions(strength, 1e-2, 0))


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(9, 5), nn.ReLU(), nn.Linear(5, 4)).double()


def test_the_network_gets_the_heads_gradient_reversed_and_the_head_its_own(fabric: Fabric) -> None:
    net = small_network()
    objective = adversary(fabric, net, strength=0.6)
    pixels = torch.rand(12, 1, 3, 3, dtype=torch.float64)
    labels = torch.tensor([CLASSES.index(GROUPS.names[g][0]) for g in GROUPS.of])
    rows = torch.arange(12)
    step = Share(objective.predict(net, pixels), labels, rows, 12, 0.4)
    objective.loss(step).backward()
    got = [p.grad.clone() for p in net.parameters()]  # type: ignore[union-attr]
    head = [p.grad.clone() for p in objective.head.parameters()]  # type: ignore[union-attr]

    net.zero_grad()
    F.cross_entropy(net(pixels), labels).backward()
    of_class = [p.grad.clone() for p in net.parameters()]  # type: ignore[union-attr]
    net.zero_grad()
    objective.optimizer.zero_grad()
    (objective.source_loss(net[:3](pixels), labels, rows) * objective.source_weights).mean().backward()
    of_source = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in net.parameters()]
    assert max(float(g.abs().max()) for g in of_source) > 1e-4
    for g, c, s in zip(got, of_class, of_source, strict=True):
        torch.testing.assert_close(g, c - 0.6 * ramp(0.4) * s)
    for g, parameter in zip(head, objective.head.parameters(), strict=True):
        torch.testing.assert_close(g, parameter.grad)


def test_a_class_of_one_source_has_nothing_to_hide(fabric: Fabric) -> None:
    objective = adversary(fabric, small_network())
    labels = torch.tensor([CLASSES.index(GROUPS.names[g][0]) for g in GROUPS.of])
    each = objective.source_loss(torch.randn(12, 5, dtype=torch.float64), labels, torch.arange(12)).detach()
    one_source = labels == CLASSES.index("COVID-19")
    assert float(each[one_source].abs().max()) == 0
    assert float(each[~one_source].min()) > 0


def two_cues(counts: dict[tuple[str, str], int], seed: int) -> tuple[Groups, torch.Tensor, torch.Tensor]:
    """A weak cue to the class and a strong one to the source: groups, labels and (n, 2) inputs."""
    rng = torch.Generator().manual_seed(seed)
    groups = groups_of(rows_of(counts))
    label = torch.tensor([CLASSES.index(groups.names[g][0]) for g in groups.of])
    source = torch.tensor([float(groups.names[g][1] == "a") for g in groups.of])
    cues = [label + 0.5 * torch.randn(len(label), generator=rng), source + 0.2 * torch.randn(len(label), generator=rng)]
    return groups, label, torch.stack(cues, 1)


@pytest.mark.parametrize("remedy", ["source", "group-dro", "adversary"])
def test_each_remedy_helps_where_the_source_no_longer_tells_the_class(fabric: Fabric, remedy: str) -> None:
    """95 of 100 images of a class come from one source; in the test it is the other one. Chance is 0.5."""
    a, b = CLASSES[:2]
    groups, label, x = two_cues({(a, "a"): 190, (a, "b"): 10, (b, "a"): 10, (b, "b"): 190}, 1)
    _, test_label, test_x = two_cues({(a, "a"): 20, (a, "b"): 380, (b, "a"): 380, (b, "b"): 20}, 2)
    plain, by_source = (torch.tensor(image_weights(groups, balance)) for balance in ("class", "source"))

    def accuracy(make: Callable[[nn.Module], Objective]) -> float:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4))
        objective, draws = make(net), torch.Generator().manual_seed(3)
        optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
        for i in range(600):
            rows = torch.randint(len(label), (64,), generator=draws)
            optimizer.zero_grad()
            objective.loss(Share(objective.predict(net, x[rows]), label[rows], rows, 64, i / 600)).backward()
            optimizer.step()
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * (1 - i / 600)
            objective.finish(2e-3 * (1 - i / 600))
        return float((net(test_x).argmax(1) == test_label).float().mean())

    makers: dict[str, Callable[[nn.Module], Objective]] = {
        "source": lambda _: Objective(fabric, by_source, 0.0),
        "group-dro": lambda _: GroupRobust(fabric, plain, 0.0, groups, 0.05, torch.float32),
        "adversary": lambda net: Adversary(
            fabric, (plain, by_source), 0.0, net, groups, AdversaryOptions(3.0, 2e-3, 0)
        ),
    }
    assert accuracy(lambda _: Objective(fabric, plain, 0.0)) < 0.4
    assert accuracy(makers[remedy]) > 0.65


def test_the_adversary_needs_two_sources_of_a_class(dataset: DatasetFolder, tmp_path: Path) -> None:
    one = write_toy_dataset(tmp_path / "one")
    with pytest.raises(OptionError, match="two sources"):
        train(one, tmp_path / "run", dataclasses.replace(OPTIONS, objective="adversary"))


def test_the_plain_objective_is_weighted_cross_entropy(fabric: Fabric) -> None:
    w = torch.rand(12, dtype=torch.float64)
    step = share([3, 7, 11])
    each = F.cross_entropy(step.logits, step.targets, reduction="none", label_smoothing=0.05)
    expected = (each * w[[3, 7, 11]]).mean()
    assert float(Objective(fabric, w, 0.05).loss(step)) == pytest.approx(float(expected))


# the loop with each of them


class Interrupter(Silent):
    """Stands for a user's Ctrl-C in the middle of the second epoch."""

    def stepped(self, step: Step) -> None:
        if step.epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("remedy", REMEDIES)
def test_interrupted_and_resumed_gives_the_same_weights_bit_for_bit(
    dataset: DatasetFolder, tmp_path: Path, remedy: str
) -> None:
    options = dataclasses.replace(OPTIONS, batch_size=4, **REMEDIES[remedy])  # type: ignore[arg-type]
    whole = train(dataset, tmp_path / "whole", options)
    with pytest.raises(KeyboardInterrupt):
        train(dataset, tmp_path / "cut", options, observer=Interrupter())
    resumed = train(dataset, tmp_path / "cut", options, resume=True)
    assert all(torch.equal(weights(whole)[k], v) for k, v in weights(resumed).items())


def _train_each(fabric: Fabric, root: Path, out: Path) -> None:
    """Train with each remedy in this process, as one of several, and leave the weights."""
    dataset = DatasetFolder(root)
    rows = training_rows(dataset)
    for name, remedy in REMEDIES.items():
        options = dataclasses.replace(OPTIONS, epochs=1, precision="64-true", **remedy)  # type: ignore[arg-type]
        material = Material(open_packed(dataset.packed_folder, options.preprocessing), rows, out)
        training = assemble(fabric, material, options, Silent())
        training.run()
        if fabric.is_global_zero:
            for kind, tensors in (("best", training.best), ("state", training.objective.state())):
                whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
                save_file(whole, out / f"{name}-{kind}-{fabric.world_size}.safetensors")


def test_two_processes_give_the_one_process_result_within_rounding(dataset: DatasetFolder, tmp_path: Path) -> None:
    pack(training_rows(dataset).both, OPTIONS.preprocessing, dataset.packed_folder)
    for devices in (1, 2):
        fabric = make_fabric(dataclasses.replace(OPTIONS, devices=devices, precision="64-true"), external=False)
        fabric.launch(_train_each, dataset.root, tmp_path)
    for file in (f"{name}-{kind}" for name in REMEDIES for kind in ("best", "state")):
        one, two = (load_file(tmp_path / f"{file}-{devices}.safetensors") for devices in (1, 2))
        for name, tensor in two.items():
            # Tensor by tensor: AdamW divides by the size of the gradient, so that a single weight whose gradient is
            # nearly 0 may show the rounding of that gradient in its sixth digit.
            apart = torch.linalg.vector_norm((tensor - one[name]).double())
            assert apart <= 1e-6 * torch.linalg.vector_norm(one[name].double()) + 1e-9, f"{file} {name}: {apart}"
