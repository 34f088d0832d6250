#!/bin/bash
# One machine of a training with launch/multi_node.yaml, or another file of several machines:
# the first runs the pipeline, the others join its training. All of them work in the same folder.
# MASTER_ADDR, MASTER_PORT and NODE_RANK stand in for main_process_ip, main_process_port and
# machine_rank of the launch file.
set -euo pipefail
: "${MASTER_ADDR:?the address of the first machine}" "${NODE_RANK:?the number of this machine}"
source .venv/bin/activate
if [ "$NODE_RANK" = 0 ]; then
  exec dvc repro
fi
exec python -m temper.training.launcher -m stages.train \
  data/tokenized data/base data/model data/checkpoints data/history
