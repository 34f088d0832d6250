"""A trained model → what others can load: ONNX, int8 ONNX, a model card, an MLflow model."""
