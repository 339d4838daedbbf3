"""A training script with the options of conf/config.yaml; its formula stands for a training.

A script of Hydra itself needs no parser: it gets `optimizer.lr=0.01` and so on.
"""

import argparse
import math

import autofinetune

parser = argparse.ArgumentParser()
parser.add_argument("--optimizer.lr", type=float)
parser.add_argument("--optimizer.name")
parser.add_argument("--model.layers", type=int)
parser.add_argument("--model.dropout", type=float)
parser.add_argument("--epochs", type=int)
args = vars(parser.parse_args())

best = {"sgd": 0.03, "adam": 0.001}[args["optimizer.name"]]
error = abs(math.log10(args["optimizer.lr"] / best)) + 0.1 * abs(args["model.layers"] - 2)
autofinetune.report_final_result(error + args["model.dropout"] + 0.5 ** args["epochs"])
