"""Fréchet distance of the features that evaluation.ts has left: python evaluation_scipy.py FOLDER [WIDTH]."""

import glob
import sys
import time

import numpy as np
from scipy.linalg import sqrtm

folder, width = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2048
# Rows of float32, each with its checksum behind it.
row = np.dtype([("features", "<f4", (width,)), ("seal", "<u4")])
start = time.time()
sides = []
for path in sorted(glob.glob(f"{folder}/features/*/pooled.f32")):
    rows = np.fromfile(path, row)["features"].astype(np.float64)
    sides.append((rows.mean(axis=0), np.cov(rows, rowvar=False)))
    del rows
(mean, covariance), (other_mean, other_covariance) = sides
root = sqrtm(covariance @ other_covariance)
trace = np.trace(covariance) + np.trace(other_covariance) - 2 * np.trace(root.real)
print(f"{np.sum((mean - other_mean) ** 2) + trace!r} in {time.time() - start:.0f} s")
