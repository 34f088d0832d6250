"""Training loops; `train.engine` names one."""
