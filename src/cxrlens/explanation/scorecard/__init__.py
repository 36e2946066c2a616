"""The scorecard of the explanations themselves: can a heat-map be believed, method by method and map by map?

``card.score_explanations`` fills it; ``doubts`` judges one map. Nothing is imported here, so that drawing one
explanation does not load what scores many.
"""
