"""Launch files that accelerate refuses, or reads otherwise than they are meant."""

from tests.promises.bad_input import BadInput

SINGLE = """compute_environment: LOCAL_MACHINE
distributed_type: 'NO'
num_machines: 1
num_processes: 1
machine_rank: 0
"""
FSDP = SINGLE.replace("'NO'", "FSDP") + "fsdp_config:\n  fsdp_version: 2\n"


def launch(name: str, text: str, *says: str) -> BadInput:
    return BadInput(
        name=name,
        changes={"train.launch": "odd"},
        files={"launch/odd.yaml": text},
        says=("launch/odd.yaml", *says),
    )


def changed(name: str, old: str, new: str, *says: str) -> BadInput:
    assert old in SINGLE
    return launch(name, SINGLE.replace(old, new), *says)


CASES = [
    launch("not_yaml", "a: [\n", ":2: not YAML"),
    launch("empty", "", "expected keys and values, found none"),
    launch("list", "- num_processes: 1\n", "expected keys and values, found a list"),
    launch("python_tag", "a: !!python/name:os.system\n", "tags such as"),
    launch("not_utf_8", SINGLE.replace("'NO'", "'NÖ'"), "distributed_type is 'NÖ'"),
    launch("unknown_key", f"{SINGLE}num_proceses: 2\n", "unknown keys (['num_proceses'])"),
    launch("no_type", "num_processes: 1\n", "distributed_type is None", "MULTI_GPU"),
    launch("no_number", "distributed_type: 'NO'\n", ":1: num_processes must be 1", "found None"),
    launch("gpu_ids_number", f"{SINGLE}gpu_ids: 0\n", "gpu_ids must be 'all' or text", "found 0"),
    launch("gpu_ids_list", f"{SINGLE}gpu_ids: [0, 1]\n", "gpu_ids must be 'all'", "found [0, 1]"),
    launch("precision", f"{SINGLE}mixed_precision: bf16\n", "must be 'no', as train.precision"),
    launch("cpu", f"{SINGLE}use_cpu: perhaps\n", "use_cpu must be true or false"),
    launch("port", f"{SINGLE}main_process_port: http\n", "main_process_port must be 0 or more"),
    launch(
        "fsdp_1",
        FSDP.replace("version: 2", "version: 1"),
        ":7: fsdp_config.fsdp_version",
        "found 1",
    ),
    launch("fsdp_reshard", f"{FSDP}  fsdp_reshard_after_forward: FULL_SHARD\n", "'FULL_SHARD'"),
    launch(
        "fsdp_unread", f"{FSDP}  fsdp_offload_params: true\n", ":8: fsdp_config.fsdp_offload_params"
    ),
    BadInput(
        name="fsdp_moving_average",
        changes={"train.launch": "fsdp", "train.weight_averaging": {"kind": "ema", "decay": 0.9}},
        says=("params.yaml:", "train.weight_averaging", "ema is not sharded", "multi_gpu"),
    ),
    launch("fsdp_config", f"{SINGLE}fsdp_config: 3\n", "fsdp_config must have keys of its own"),
    changed("unknown_type", "'NO'", "MULTI_GPUS", "distributed_type is 'MULTI_GPUS'", "FSDP"),
    changed("true", "processes: 1", "processes: true", ":4: num_processes", "found True"),
    changed("zero", "processes: 1", "processes: 0", ":4: num_processes must be 1", "found 0"),
    changed("text", "processes: 1", "processes: two", ":4: num_processes", "found 'two'"),
    changed("fraction", "processes: 1", "processes: 1.5", ":4: num_processes", "found 1.5"),
    changed("two_of_one", "processes: 1", "processes: 2", "'NO' is for one process"),
    changed("machines", "machines: 1", "machines: 2", "'NO' is for one process"),
    changed("negative_rank", "rank: 0", "rank: -1", "machine_rank must be 0 or more; found -1"),
    changed("cloud", "LOCAL_MACHINE", "AMAZON_SAGEMAKER", "must be LOCAL_MACHINE"),
    changed("xla", "'NO'", "XLA", "must not be XLA", "launch/tpu.yaml"),
    changed("multi_cpu", "'NO'", "MULTI_CPU", "must not be MULTI_CPU", "launch/cpu_2.yaml"),
    changed(
        "one_gpu_of_two",
        "'NO'",
        "MULTI_GPU\ngpu_ids: '0'",
        "accelerate refuses it: Less than two GPU ids",
    ),
]
