"""Warnings that a careful physicist would write beside a prediction. No torch.

`review_prediction` looks at the patient, the dose and what the weights were trained on; its thresholds stand in
``Resources/Review/thresholds.json``, with how they were calibrated.
"""
