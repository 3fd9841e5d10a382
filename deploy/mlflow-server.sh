#!/bin/sh
# Starts MLflow's server with the flags that it is given. MLflow reads no secret from a file, and a
# command line is visible to every user of the machine: this passes them in the environment.
set -eu
folder="${SECRETS:-/run/secrets}"
secret() { tr -d '\n' < "$folder/$1"; }

PGPASSWORD="$(secret postgres_password)"
MLFLOW_AUTH_ADMIN_PASSWORD="$(secret admin_password)"
MLFLOW_FLASK_SERVER_SECRET_KEY="$(secret session_key)"
export PGPASSWORD MLFLOW_AUTH_ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY
if [ -r "$folder/s3_secret_key" ]; then
  AWS_SECRET_ACCESS_KEY="$(secret s3_secret_key)"
  export AWS_SECRET_ACCESS_KEY
fi
if [ -r "$folder/webhook_encryption_key" ]; then
  MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY="$(secret webhook_encryption_key)"
  export MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY
fi
# Processes for jobs, which nothing here needs.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
exec mlflow server --app-name basic-auth "$@"
