#!/bin/sh
# Starts the extractor's server with the flags that it is given. MLflow's client takes its password
# from the environment or from ~/.mlflow/credentials; this reads it from a secret file.
set -eu
if [ -r /run/secrets/mlflow_password ]; then
  MLFLOW_TRACKING_PASSWORD="$(tr -d '\n' < /run/secrets/mlflow_password)"
  export MLFLOW_TRACKING_PASSWORD
fi
exec python -m entry_points.serve "$@"
