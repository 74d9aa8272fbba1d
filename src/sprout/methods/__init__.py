"""How it is learned: a file for each method.

A new method that trains a network step by step is a file with a subclass of `Method` and its `Learner`, its name in
`StepMethod`, and a file in `conf/train/method/`.
"""

from sprout.methods.consistency import Consistency
from sprout.methods.contrastive import Contrastive
from sprout.methods.scikit_learn import ScikitLearn
from sprout.methods.supervised import Supervised

StepMethod = Supervised | Consistency | Contrastive
"""The methods that train a network step by step."""

__all__ = ["Consistency", "Contrastive", "ScikitLearn", "StepMethod", "Supervised"]
