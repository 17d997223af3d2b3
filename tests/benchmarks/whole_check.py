"""How often does a whole check cry wolf? All parts of `checkup.evaluate` together, a small model asked."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from sklearn.ensemble import VotingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from tests.benchmarks.tables import RATE, Table, interval, percent
from workbench import profiles
from workbench.checkup import evaluate
from workbench.evaluation import Evaluation, ServiceResult, Traffic
from workbench.features import infer_schema, to_rows
from workbench.loaded_version import LoadedVersion
from workbench.records import Block, GateVerdict, Metadata, Prediction, TrainingData, utc_text
from workbench.settings import Settings

# Of the mixed features, those that a linear model takes as they are.
INPUTS = 6
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
QUIET = ServiceResult(state="ok", sentence="", all=Traffic(requests=0, rows=0))
