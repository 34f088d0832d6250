#!/bin/bash
# One machine of a training with launch/multi_node.yaml, or another file of several machines:
# the first runs the pipeline, the others join its training. All of them work in the same folder.
# MASTER_ADDR, MASTER_PORT and NODE_RANK stand in for main_process_ip, main_process_port and
# machine_rank of the launch file. JOB_ID names the file by which the first tells the others that
# the data are prepared.
set -euo pipefail
: "${MASTER_ADDR:?the address of the first machine}" "${NODE_RANK:?the number of this machine}"
: "${JOB_ID:?the name of this job, the same on all machines}"
source .venv/bin/activate
python - <<'END'
from pathlib import Path

from temper import params
from temper.core import errors, yaml_file

with errors.exit_on_input_error():
    file = f"launch/{params.load().train.launch}.yaml"
    if yaml_file.load(Path(file)).get("num_machines", 1) < 2:
        raise errors.InputError(f"train.launch: {file} is of one machine; set it to multi_node")
END
prepared=.dvc/tmp/prepared-$JOB_ID
if [ "$NODE_RANK" = 0 ]; then
  rm -f .dvc/tmp/prepared-*
  dvc repro tokenize download@model
  next=train
  if dvc status -q train; then next=nothing; fi
  mkdir -p .dvc/tmp
  echo $next > "$prepared.partial"
  mv "$prepared.partial" "$prepared"
  exec dvc repro --no-run-cache  # from which DVC would take a training that the others wait for
fi
trap 'exit 143' TERM
until [ -f "$prepared" ]; do sleep 2; done
if [ "$(cat "$prepared")" = nothing ] || [ data/history -nt "$prepared" ]; then
  exit  # the training has ended, maybe before this machine was started again
fi
exec python -m temper.training.launcher -m stages.train \
  data/tokenized data/base data/model data/checkpoints data/history
