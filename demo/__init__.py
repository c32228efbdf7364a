"""The main job, to be watched: an agent is frozen in one process and finished in another."""
