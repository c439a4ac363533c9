//! Whole runs of small scenarios.
