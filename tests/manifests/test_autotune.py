"""AutoTuneExperiment manifests: every field, and the notes about it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from autofinetune.errors import ConfigError, UsageError

from .helpers import AUTOTUNE, mistakes, notes, read, swap

COMMAND = "                  - python3\n                  - dist_mnist.py\n"
CONTAINER = "              - command:\n" + COMMAND
SPEC = "m.yaml:{} spec.trainingConfig.tasks[0].template.spec"


def container(more: str) -> str:
    """Return the manifest with more fields in its container."""
    indented = "".join(f"                {line}\n" for line in more.splitlines())
    return swap(AUTOTUNE, CONTAINER, CONTAINER + indented)


def with_tasks(framework: str, *tasks: tuple[str, int, str]) -> str:
    """Return the manifest with other tasks: (type, replicas, script)."""
    head, tail = AUTOTUNE.split("    type: tensorflow\n")
    tail = "  tuner:" + tail.split("  tuner:")[1]
    lines = [f"    type: {framework}", "    tasks:"]
    for kind, replicas, script in tasks:
        lines += [
            f"      - type: {kind}", f"        replicas: {replicas}",
            "        template:", "          spec:", "            containers:",
            f"              - command: [python3, {script}]",
        ]  # fmt: skip
    return head + "\n".join(lines) + "\n" + tail


def test_the_documented_manifest(tmp_path: Path) -> None:
    manifest = read(tmp_path, AUTOTUNE)
    options = dict(manifest.options)
    names = [entry["name"] for entry in options.pop("param_list")]
    assert names == ["batch_size", "learning_rate"]
    assert options == {
        "evaluator": "fulltrail",
        "max_seconds": 7200.0,
        "max_trials": 50,
        "max_parallel": 3,
        "popsize": 3,
        "gpu": "auto:3",
        "tuning_strategy": "tpe",
        "strategy_options": {"constant_liar_type": "min"},
        "direction": "minimize",
        "framework": "tensorflow",
        "working_dir": str(tmp_path),
        "command": ["python3", "dist_mnist.py", "${hyperparameters}", "${model_options}"],
        "env": [],
    }


def test_words_and_variables_are_what_stands_there(tmp_path: Path) -> None:
    text = swap(AUTOTUNE, COMMAND, COMMAND + "                  - 010\n")
    text = swap(text, CONTAINER.replace(COMMAND, ""), "              - env:\n"
                "                  - {name: A, value: 1e3}\n"
                "                  - {name: B, value: true}\n"
                "                  - {name: C}\n"
                "                command:\n")  # fmt: skip
    options = read(tmp_path, text).options
    assert options["command"][:3] == ["python3", "dist_mnist.py", "010"]
    assert options["env"] == ["A=1e3", "B=true", "C="]


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ('|-\n    {\n      "x": {"_type": "uniform", "_value": [0]}}', "4:43"),
        ('>\n    {"x":\n    {"_type": "uniform", "_value": [0]}}', "2:16"),
        ('{"x": {"_type": "uniform", "_value": [0]}}', "2:53"),
        ('\'{"x": {"_type": "uniform", "_value": [0]}}\'', "2:54"),
        ('"{\\"x\\": {\\"_type\\": \\"uniform\\", \\"_value\\": [0]}}"', "2:16"),
        ('"{\n    \\"x\\": {\\"_type\\": \\"uniform\\", \\"_value\\": [0]}}"', "2:16"),
    ],
)
def test_a_mistake_in_the_space_has_the_place_that_is_known_of_it(
    tmp_path: Path, written: str, place: str
) -> None:
    space = f"  searchSpace: {written}\n"
    tail = AUTOTUNE.split("  trainingConfig:")[1]
    text = "kind: AutoTuneExperiment\nspec:\n" + space + "  trainingConfig:" + tail
    line, column = place.split(":")
    where = f"m.yaml:{int(line) + 1}:{column} "
    (mistake,) = mistakes(tmp_path, text)
    assert mistake.startswith(where), mistake


def test_what_has_no_effect_is_named_with_its_line(tmp_path: Path) -> None:
    assert notes(tmp_path, AUTOTUNE) == [
        "m.yaml:6:3 metadata has no effect here",
        f"{SPEC.format('24:15')}.securityContext has no effect here",
        f"{SPEC.format('31:24')}.containers[0].image has no effect here",
        f"{SPEC.format('32:23')}.containers[0].name has no effect here",
        f"{SPEC.format('30:34')}.containers[0].imagePullPolicy has no effect here",
    ]


@pytest.mark.parametrize(
    ("field", "note"),
    [
        ("aistore: {folder: x}", "spec.aistore gives --store=aistore://x"),
        ("scheduler: {}", "spec.scheduler is not available yet, and not read"),
        ("maxTrialNumm: 3", "spec.maxTrialNumm is unknown here and not read (did you mean 'maxTr"),
    ],
)
def test_other_fields_of_the_spec_are_named(tmp_path: Path, field: str, note: str) -> None:
    text = swap(AUTOTUNE, "  trialConcurrency: 3\n", f"  trialConcurrency: 3\n  {field}\n")
    assert any(f"m.yaml:11:{len(field.split(':')[0]) + 5} {note}" in line
               for line in notes(tmp_path, text))  # fmt: skip


def test_a_map_is_as_good_as_json(tmp_path: Path) -> None:
    block = AUTOTUNE[AUTOTUNE.index("    classArgs: |-") :]
    arguments = "{optimize_mode: minimize, constant_liar_type: min}"
    as_map = AUTOTUNE.replace(block, f"    classArgs: {arguments}\n")
    head, rest = as_map.split("  searchSpace: |-\n")
    tail = "  trainingConfig:" + rest.split("  trainingConfig:")[1]
    space = (
        "  searchSpace: {batch_size: {_type: choice, _value: [512, 1024, 2048, 4096, 8092]}, "
        "learning_rate: {_type: choice, _value: [0.0001, 0.001, 0.01, 0.1]}}\n"
    )
    assert read(tmp_path, head + space + tail).options == read(tmp_path, AUTOTUNE).options


@pytest.mark.parametrize(
    ("old", "new", "place", "why"),
    [
        ("maxTrialNum: 50", "maxTrialNum: many", "9:16",
         "spec.maxTrialNum must be a whole number from 1 to 1000000, found 'many'"),
        ("maxTrialNum: 50", "maxTrialNum: 0", "9:16", "spec.maxTrialNum must be a whole number"),
        ("maxExecSeconds: 7200", "maxExecSeconds: -1", "8:19", "must be a duration"),
        ("trialConcurrency: 3", "trialConcurrency: true", "10:21", "must be a whole number"),
        ('"choice", "_value": [512', '"choise", "_value": [512', "13:31",
         "batch_size: _type 'choise' is unknown"),
        ('[0.0001, 0.001', '[.inf, 0.001', "14:", "learning_rate: "),
        ('      "learning_rate": {', '      "learning_rate": [', "", "not valid JSON: "),
        ("type: tensorflow\n", "type: tensorflo\n", "17:11", "did you mean 'tensorflow'"),
        ("type: worker", "type: wrker", "19:15", "use one of: chief, master, worker, ps, eval"),
        ("replicas: 1", "replicas: 0", "20:19", "replicas must be a whole number from 1"),
        ("builtinTunerName: TPE", "builtinTunerName: TPEE", "34:23",
         "spec.tuner.builtinTunerName 'TPEE' is not among the strategies: anneal, batch"),
        ('"optimize_mode": "minimize"', '"optimize_mode": "less"', "37:26",
         "spec.tuner.classArgs.optimize_mode must be maximize or minimize, found 'less'"),
        ('"constant_liar_type": "min"', '"constant_liar_type": "big"', "38:31",
         "spec.tuner.classArgs.constant_liar_type must be best or worst or mean or min or max"),
        (COMMAND, "", "26:25",
         "command is missing; the default command of its image is not known here"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(
    tmp_path: Path, old: str, new: str, place: str, why: str
) -> None:
    found = mistakes(tmp_path, swap(AUTOTUNE, old, new))
    assert any(line.startswith(f"m.yaml:{place}") and why in line for line in found), found


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "kind: AutoTuneExperiment\nspec: {maxTrialNum: 3}\n")
    assert found == [
        "m.yaml:2:7 spec.searchSpace is missing; give the hyperparameters as JSON",
        "m.yaml:2:7 spec.tuner is missing; name a strategy",
        "m.yaml:2:7 spec.trainingConfig is missing; it holds the command",
    ]


def test_a_working_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    text = swap(AUTOTUNE, "workingDir: .", "workingDir: /mnt/mnist-distributed")
    (found,) = mistakes(tmp_path, text, check_files=True)
    assert "m.yaml:29:29 " in found
    assert "containers[0].workingDir '/mnt/mnist-distributed' is not on this machine, and" in found
    assert f"there is no 'dist_mnist.py' in {tmp_path}"[:25] in found
    assert found.endswith("; set it with --working_dir=DIR")
    assert read(tmp_path, text).options["working_dir"] == "/mnt/mnist-distributed"
    (tmp_path / "dist_mnist.py").touch()
    manifest = read(tmp_path, text, check_files=True)
    assert manifest.options["working_dir"] == str(tmp_path)
    told = f"is not on this machine: trials run in {tmp_path}; --working_dir=DIR selects another"
    assert any(note.endswith(told) for note in manifest.notes)


def test_the_script_is_looked_for_above_the_manifest_too(tmp_path: Path) -> None:
    inner = tmp_path / "autotune" / "keras"
    inner.mkdir(parents=True)
    text = swap(AUTOTUNE, "workingDir: .", "workingDir: /t9k/mnt/repository")
    text = swap(text, "dist_mnist.py", "autotune/keras/t.py")
    (inner / "t.py").touch()
    options = read(inner, text, check_files=True).options
    assert options["working_dir"] == str(tmp_path)


def test_a_script_that_is_not_there_is_told(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, AUTOTUNE, check_files=True)
    assert "m.yaml:27:19 " in found
    assert "containers[0].command there is no 'dist_mnist.py' in " in found


# --- containers ---------------------------------------------------------------------------------


def test_variables_of_the_container(tmp_path: Path) -> None:
    text = container(
        "args: [--data=$(DATA), $$(DATA), $(OTHER)]\n"
        "env:\n"
        "  - {name: DATA, value: /data}\n"
        "  - {name: EMPTY}\n"
        "  - {name: SUB, value: $(DATA)/sub/$(LATER)/$$(DATA)}\n"
        "  - {name: KEY, valueFrom: {secretKeyRef: {name: a, key: b}}}\n"
        "  - {name: CUDA_VISIBLE_DEVICES, value: '0'}\n"
    )
    manifest = read(tmp_path, text)
    assert manifest.options["command"][2:5] == ["--data=/data", "$(DATA)", "$(OTHER)"]
    assert manifest.options["env"] == [
        "DATA=/data", "EMPTY=", "SUB=/data/sub/$(LATER)/$(DATA)",
    ]  # fmt: skip
    told = "\n".join(manifest.notes)
    assert "env[3].valueFrom is not available yet, and not read" in told
    assert "env[4].name CUDA_VISIBLE_DEVICES is set by autofinetune; this has no effect" in told


@pytest.mark.parametrize("option", ["-c", "-ec"])
def test_a_line_for_a_shell_gets_the_hyperparameters_as_arguments(
    tmp_path: Path, option: str
) -> None:
    words = ("bash", option, "'x \"$@\"'")
    text = swap(AUTOTUNE, COMMAND, "".join(f"{' ' * 18}- {word}\n" for word in words))
    manifest = read(tmp_path, text)
    assert manifest.options["command"] == [
        "bash", option, 'x "$@"', "bash", "${hyperparameters}", "${model_options}"
    ]  # fmt: skip
    assert any("is a shell line" in note for note in manifest.notes)


def test_variables_that_tell_replicas_apart_are_not_those_of_the_container(
    tmp_path: Path,
) -> None:
    env = container("env: [{name: TF_CONFIG, value: x}, {name: RANK, value: '7'}]")
    assert not any("TF_CONFIG" in note for note in notes(tmp_path, env))
    found = notes(tmp_path, swap(env, "replicas: 1", "replicas: 2"))
    (told,) = (note for note in found if "TF_CONFIG" in note or "RANK" in note)
    assert told.startswith("m.yaml:19:7 spec.trainingConfig.tasks TF_CONFIG tells their processes")


def test_cards_that_it_asks_for_are_those_of_a_trial(tmp_path: Path) -> None:
    manifest = read(tmp_path, container("resources: {limits: {nvidia.com/gpu: 2, cpu: 4}}"))
    assert manifest.options["gpu"] == "auto:6"  # three at once
    assert manifest.options["gpus_per_trial"] == 2
    assert any("resources.limits.cpu has no effect here" in note for note in manifest.notes)
    (found,) = mistakes(tmp_path, container("resources: {limits: {nvidia.com/gpu: all}}"))
    assert "must be a number of cards, found 'all'" in found


def test_only_the_first_container_is_run(tmp_path: Path) -> None:
    more = "              - {name: sidecar, command: [x]}\n  tuner:"
    assert any("containers[1] is not run: only the first container is" in note
               for note in notes(tmp_path, swap(AUTOTUNE, "  tuner:", more)))  # fmt: skip


# --- tasks --------------------------------------------------------------------------------------


def test_replicas_are_the_ranks_of_a_trial(tmp_path: Path) -> None:
    options = read(tmp_path, with_tasks("pytorch", ("worker", 3, "t.py"))).options
    assert options["framework"] == "pytorch"
    assert options["ranks_per_trial"] == 3
    assert options["tasks"] == [
        {"type": "worker", "replicas": 3, "env": [],
         "command": ["python3", "t.py", "${hyperparameters}", "${model_options}"]}
    ]  # fmt: skip


def test_tasks_are_in_the_order_of_their_ranks(tmp_path: Path) -> None:
    text = with_tasks(
        "tensorflow", ("ps", 1, "ps.py"), ("worker", 2, "w.py"), ("chief", 1, "c.py")
    )
    options = read(tmp_path, text).options
    assert [task["type"] for task in options["tasks"]] == ["chief", "worker", "ps"]
    assert options["command"][1] == "c.py"
    text = with_tasks("xgboost", ("worker", 1, "w.py"), ("master", 1, "m.py"))
    assert [task["type"] for task in read(tmp_path, text).options["tasks"]] == ["master", "worker"]


def test_a_role_of_another_framework_is_unknown(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, with_tasks("pytorch", ("ps", 1, "x.py")))
    assert "tasks[0].type 'ps' is unknown; use one of: master, worker, node" in found


def test_a_trial_has_one_working_directory(tmp_path: Path) -> None:
    text = with_tasks("pytorch", ("master", 1, "a.py"), ("worker", 1, "b.py"))
    text = swap(text, "[python3, b.py]", "[python3, b.py]\n                workingDir: /tmp")
    (found,) = mistakes(tmp_path, text)
    assert "tasks have different workingDirs; a trial has one" in found


# --- volumes ------------------------------------------------------------------------------------


def mounted(more: str = "") -> str:
    """Return the manifest with a volume `data` of a claim, and a volume without one."""
    claim = "{name: data, persistentVolumeClaim: {claimName: claim}}"
    volumes = f"volumes: [{claim}, {{name: shm, emptyDir: {{}}}}]"
    text = swap(AUTOTUNE, "containers:", f"{volumes}\n            containers:")
    mounts = "volumeMounts: [{name: data, mountPath: /mnt/}, {name: shm, mountPath: /mnt/shm}]"
    indented = "".join(f"                {line}\n" for line in (mounts, *more.splitlines()))
    return swap(text, CONTAINER, CONTAINER + indented)


def test_a_mounted_volume_is_told_with_the_option_that_names_it(tmp_path: Path) -> None:
    found = "\n".join(notes(tmp_path, mounted()))
    where = "containers[0].volumeMounts[{}].mountPath {}: nothing is mounted here; --volume={}=DIR"
    assert where.format(0, "'/mnt/'", "data") in found
    assert where.format(1, "'/mnt/shm'", "shm") in found


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("/mnt", "D"),
        ("/mnt/x/y.py", "D/x/y.py"),
        ("--data=/mnt/x", "--data=D/x"),
        ("/mnt/a:/mnt/b", "D/a:D/b"),
        ("/mnt/shm/x", "S/x"),
        ("/mnt/shmx", "D/shmx"),
        ("cd /mnt && ls '/mnt/x' \"/mnt/y\"; cat </mnt/z", "cd D && ls 'D/x' \"D/y\"; cat <D/z"),
        ('{"dir": "/mnt/x"}', '{"dir": "D/x"}'),
        ("file:///mnt/x", "file://D/x"),
        ("/mnt2", "/mnt2"),
        ("/mnt.old/x", "/mnt.old/x"),
        ("/mnt-2", "/mnt-2"),
        ("/data/mnt/x", "/data/mnt/x"),
        ("./mnt", "./mnt"),
        ("s3://mnt/x", "s3://mnt/x"),
        ("$HOME/mnt/x ${X}/mnt $(pwd)/mnt ~/mnt", "$HOME/mnt/x ${X}/mnt $(pwd)/mnt ~/mnt"),
        ('"$X"/mnt/x', '"$X"/mnt/x'),
        ("/mnt*", "/mnt*"),
    ],
)
def test_paths_of_a_volume_are_those_of_its_directory(
    tmp_path: Path, written: str, expected: str
) -> None:
    (tmp_path / "D").mkdir()
    (tmp_path / "D/S").mkdir()
    places = {"claim": tmp_path / "D", "shm": tmp_path / "D/S"}
    given = {"volume": [",".join(f"{name}={place}" for name, place in places.items())]}
    value = json.dumps(written)
    text = mounted(f"args: [{value}]\nenv: [{{name: A, value: {value}}}]\n")
    manifest = read(tmp_path, text, given=given)
    wanted = re.sub(r"\bS/", f"{tmp_path}/D/S/", expected)
    wanted = re.sub(r"(?<!\w)D(?!/S)\b", str(tmp_path / "D"), wanted)
    assert manifest.options["env"] == [f"A={wanted}"]
    assert manifest.options["command"][2] == wanted.replace("${", "$${")
    assert not any("is mounted here" in note for note in manifest.notes)


def test_a_variable_is_replaced_once(tmp_path: Path) -> None:
    """Even if the directory is itself below the mount path."""
    (tmp_path / "mnt").mkdir()
    text = swap(mounted("args: [$(A)/x]\nenv: [{name: A, value: /t/a}]\n"), "/mnt/}", "/t}")
    place = tmp_path / "mnt"
    options = read(tmp_path, text, given={"volume": [f"data={place}"]}).options
    assert options["env"] == [f"A={place}/a"]
    assert options["command"][2] == f"{place}/a/x"


def test_a_working_directory_may_lie_in_a_volume(tmp_path: Path) -> None:
    (tmp_path / "D/sub").mkdir(parents=True)
    (tmp_path / "D/sub/dist_mnist.py").touch()
    text = swap(mounted(), "workingDir: .", "workingDir: /mnt/sub")
    given = {"volume": [f"data={tmp_path}/D"]}
    options = read(tmp_path, text, check_files=True, given=given).options
    assert options["working_dir"] == f"{tmp_path}/D/sub"
    (found,) = mistakes(tmp_path, text, check_files=True)
    assert found.endswith("; set it with --working_dir=DIR or --volume=data=DIR")


def test_a_part_of_a_volume_is_mounted(tmp_path: Path) -> None:
    text = swap(mounted("args: [/mnt/x]"), "mountPath: /mnt/}", "mountPath: /mnt/, subPath: in}")
    options = read(tmp_path, text, given={"volume": [f"data={tmp_path}"]}).options
    assert options["command"][2] == f"{tmp_path}/in/x"


def test_a_directory_that_a_shell_would_divide_is_refused_in_its_line(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    words = "".join(f"{' ' * 18}- {word}\n" for word in ("sh", "-c", "ls /mnt"))
    given = {"volume": [f"data={tmp_path}/a b"]}
    text = swap(mounted(), COMMAND, words)
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, given=given)
    assert "would need quotes; give --volume a link to it" in str(caught.value)
    read(tmp_path, swap(text, "ls /mnt", "ls"), given=given)
    assert read(tmp_path, mounted("args: [/mnt]"), given=given).options["command"][2] == (
        f"{tmp_path}/a b"
    )


def with_aistore(secret: str = "aistore-secret") -> str:
    aistore = f"  aistore:\n    folder: 0a1b-2c3d\n    secret: {secret}\n"
    return swap(AUTOTUNE, "  trialConcurrency: 3\n", f"  trialConcurrency: 3\n{aistore}")


def secret_file(tmp_path: Path, **data: str) -> Path:
    """A file with another Secret and with one called aistore-secret."""
    lines = ["kind: Secret", "metadata: {name: other}", "stringData: {apikey: not-this-one}",
             "---", "kind: Secret", "metadata: {name: aistore-secret}", "stringData:"]  # fmt: skip
    file = tmp_path / "secrets.yaml"
    file.write_text("\n".join([*lines, *(f"  {key}: {value}" for key, value in data.items())]))
    return file


@pytest.mark.parametrize(
    ("data", "store"),
    [
        ({"apikey": "abcdef"}, "aistore://0a1b-2c3d"),
        ({"access_key": "abc", "secret_key": "def"}, "s3://0a1b-2c3d/experiment-sample"),
    ],
)
def test_the_folder_and_the_secret_of_aistore_give_a_store(
    tmp_path: Path, data: dict[str, str], store: str
) -> None:
    file = secret_file(tmp_path, **data)
    options = read(tmp_path, with_aistore(), given={"secrets": str(file)}).options
    assert options["store"] == store
    assert options["secrets"] == f"{file}#aistore-secret"


def test_a_store_of_the_command_line_replaces_that_of_the_manifest(tmp_path: Path) -> None:
    assert "store" not in read(tmp_path, with_aistore(), given={"store": "s3://b/x"}).options


def test_a_secret_that_is_not_in_the_file_is_told(tmp_path: Path) -> None:
    file = secret_file(tmp_path, apikey="abcdef")
    with pytest.raises(UsageError, match="no Secret called 'gone'; there are: other, aistore-sec"):
        read(tmp_path, with_aistore("gone"), given={"secrets": str(file)})
