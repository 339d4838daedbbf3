"""The training script of experiment.yaml; what it would train is a formula here."""

import argparse
import math

import autofinetune

parser = argparse.ArgumentParser()
parser.add_argument("--batch_size", type=int, required=True)
parser.add_argument("--learning_rate", type=float, required=True)
args = parser.parse_args()

loss = abs(math.log10(args.learning_rate / 0.01)) + abs(math.log2(args.batch_size / 2048)) / 4
print(f"loss {loss:.3f}")
autofinetune.report_final_result(loss)
