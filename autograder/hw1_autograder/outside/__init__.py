"""The grader's side of the process boundary: finds a submission, starts and asks its process."""
