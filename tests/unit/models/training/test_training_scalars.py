import json
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event

from models.training.scalars import ScalarLog


def events(folder: Path) -> list[Event]:
    """Records of a TFRecord file: length (8 bytes), its CRC (4), the message, its CRC (4)."""
    found = []
    for path in sorted(folder.glob("events.*")):
        content, place = path.read_bytes(), 0
        while place < len(content):
            length = int.from_bytes(content[place : place + 8], "little")
            found.append(Event.FromString(content[place + 12 : place + 12 + length]))
            place += 16 + length
    return found


def test_scalars_reach_both_files_and_a_resumed_run_appends(tmp_path: Path) -> None:
    for step in (8, 16):
        with ScalarLog(tmp_path, "gan") as log:
            log.write(step, {"loss": step / 3, "lr": 0.0000012345})
    lines = [json.loads(line) for line in (tmp_path / "gan.jsonl").read_text().splitlines()]
    assert [(line["step"], line["loss"], line["lr"]) for line in lines] == [
        (8, 2.66667, 1.2345e-06),
        (16, 5.33333, 1.2345e-06),
    ]
    values = [
        (event.step, value.tag, round(value.simple_value, 4))
        for event in events(tmp_path / "tensorboard" / "gan")
        for value in event.summary.value
        if value.tag == "loss"
    ]
    assert values == [(8, "loss", 2.6667), (16, "loss", 5.3333)]
