#!/bin/sh
# Starts the extractor's server with the flags that it is given. MLflow's client takes its password
# from the environment or from ~/.mlflow/credentials; this passes on what is in secret files.
set -eu
pass_on() {
  if [ -r "/run/secrets/$2" ]; then
    export "$1=$(tr -d '\n' < "/run/secrets/$2")"
  fi
}
pass_on MLFLOW_TRACKING_PASSWORD extractor_password
pass_on OCR_WEBHOOK_SECRET webhook_secret
exec python -m entry_points.serve "$@"
