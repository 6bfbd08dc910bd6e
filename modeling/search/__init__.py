"""Hyper-parameters are searched with the people of a fold that are not tested."""
