"""The training script of sweep.yaml; what it would train is a formula here."""

import argparse
import ast
import math

import autofinetune

parser = argparse.ArgumentParser()
parser.add_argument("--data")
parser.add_argument("--epochs", type=int)
parser.add_argument("--learning_rate", type=float)
parser.add_argument("--amp", action="store_true")
parser.add_argument("--optimizer", type=ast.literal_eval)
args = parser.parse_args()

best = {"sgd": 0.03, "adam": 0.001}[args.optimizer["name"]]
error = abs(math.log10(args.learning_rate / best)) + 0.1 * args.amp
for epoch in range(1, args.epochs + 1):
    loss = error + 0.5**epoch
    autofinetune.report_intermediate_result(loss, epoch)
    if autofinetune.should_stop():
        break
autofinetune.report_final_result(loss)
