"""What the demo orders of a domain, and what it says where it can't."""

import click
import pytest
from click.testing import CliRunner

from deploy import demo
from matteforge.schemas.attributes import VOCABULARIES


@pytest.mark.parametrize("domain", VOCABULARIES)
def test_a_shipped_model_draws_its_domain(domain: str) -> None:
    options = demo.order_options(domain, "generated", [domain, "other"])
    assert options == {"model": domain, "shard_size": demo.SHARD_SIZE}


@pytest.mark.parametrize("domain", VOCABULARIES)
def test_a_missing_model_is_told_with_what_would_work(domain: str) -> None:
    with pytest.raises(click.ClickException) as error:
        demo.order_options(domain, "generated", ["other"])
    assert f"no model {domain!r} is shipped; there are other" in error.value.message
    assert f"--domain {domain} --source rendered" in error.value.message


@pytest.mark.parametrize("domain", VOCABULARIES)
def test_rendered_ones_are_measured_by_their_own_model_where_there_is_one(domain: str) -> None:
    rendered = {"source": "rendered", "domain": domain, "size": demo.RENDERED_PX}
    assert demo.order_options(domain, "rendered", ["other"]) == rendered
    assert demo.order_options(domain, "rendered", [domain]) == {**rendered, "model": domain}


def test_a_missing_renderer_is_told_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "available", lambda domain: "bpy is not installed: pip install it")
    monkeypatch.setattr(demo, "Stack", lambda folder: pytest.fail("nothing may start"))
    answer = CliRunner().invoke(demo.demo, ["--source", "rendered"])
    assert answer.exit_code == 1
    assert "can't be rendered here: bpy is not installed" in answer.output
