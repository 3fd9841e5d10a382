"""The file that MLflow runs to load the model; everything else is in `ocr_extractor`."""

from mlflow.models import set_model

from ocr_extractor.extractor import OcrExtractor

set_model(OcrExtractor())
