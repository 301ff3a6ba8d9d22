"""Active learning over folders, without Label Studio: batches to label, answers back, a better model, the next batch.

For those who bring their own model: `ActiveLearning` chooses and learns on arrays, with any `Learner`.
"""

from backend.active_learning.environment import ActiveLearning
from backend.active_learning.learners import LEARNERS, Learner, make_learner

__all__ = ["LEARNERS", "ActiveLearning", "Learner", "make_learner"]
