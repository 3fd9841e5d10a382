#!/bin/sh
# Starts MLflow's server. Passwords come from secret files, because MLflow reads none itself, and
# reach it in its environment: a command line is visible to every user of the machine.
set -eu
secret() { tr -d '\n' < "/run/secrets/$1"; }

PGPASSWORD="$(secret postgres_password)"
AWS_SECRET_ACCESS_KEY="$(secret s3_secret_key)"
MLFLOW_AUTH_ADMIN_PASSWORD="$(secret mlflow_admin_password)"
MLFLOW_FLASK_SERVER_SECRET_KEY="$(secret mlflow_session_key)"
export PGPASSWORD AWS_SECRET_ACCESS_KEY MLFLOW_AUTH_ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY

exec mlflow server --app-name basic-auth --host 0.0.0.0 --port 5000 \
  --backend-store-uri "$BACKEND_STORE_URI" --artifacts-destination "$ARTIFACTS_DESTINATION" \
  --allowed-hosts "$ALLOWED_HOSTS" --workers 4
