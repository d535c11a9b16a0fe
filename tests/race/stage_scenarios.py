"""Stages whose replacements do not recover: what killpoint must find in the scenarios of deaths.

WORKER      goes on without taking the dead one's batch back
RECORDER    takes the ledger as it lies
CLASSIFIER  merges on without taking the dead one's step back
"""

from dataclasses import replace
from unittest.mock import patch

import numpy as np

from stress.deaths import classifier, worker
from stress.races.scenario import Role, Scenario


def _forgetful(scenario: Scenario, name: str, kernel) -> Scenario:
    return replace(scenario, recovery={name: Role(kernel)})


def _classify(words: np.ndarray) -> dict:
    with patch.object(classifier.transaction, "recover", lambda state, rings: 0):
        return classifier.classify(words)


WORKER = _forgetful(worker.WORKER, "worker", worker.WORKER.roles["worker"].kernel)
CLASSIFIER = _forgetful(classifier.MERGE, "classifier", _classify)
