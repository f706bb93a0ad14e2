"""A page's captions are words, whatever its pictures' files are called."""

import pytest
from matplotlib.figure import Figure

from src.reproduce.page import caption, write_page


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ("figure1_crops", "Figure 1: crops"),
        ("figure28-32_nodes", "Figures 28 to 32: nodes"),
        ("figure36_classes_of_strongly_gibuu-like_events", "Figure 36: classes of strongly gibuu-like events"),
        ("figure26_roc_both", "Figure 26: ROC both"),
        ("scan", "Scan"),
        ("saliency", "Saliency"),
        ("mnist", "MNIST"),
        ("clean_size", "Clean size"),
        ("accuracy-linear", "Accuracy, linear"),
        ("samples-32x32x3", "Samples, 32x32x3"),
        ("tsne-mnist05", "t-SNE, mnist05"),
        ("label_noise_cnn_repeats-pair", "Label noise CNN repeats, pair"),
        ("estimate-mnist05-mlr-0.97", "Estimate, mnist05, MLR, 0.97"),
    ],
)
def test_a_caption_is_words(picture, words):
    assert caption(picture) == words


def test_the_page_shows_every_picture_under_its_caption(tmp_path):
    pictures = ((name, Figure()) for name in ("figure28-32_nodes", "scan"))
    text = write_page(tmp_path, "page", "Title", "Note", [], pictures).read_text()
    assert "**Figures 28 to 32: nodes**\n\n![figure28-32_nodes](figures/figure28-32_nodes.png)\n" in text
    assert "**Scan**\n\n![scan](figures/scan.png)\n" in text
    assert sorted(path.stem for path in (tmp_path / "figures").iterdir()) == ["figure28-32_nodes", "scan"]
