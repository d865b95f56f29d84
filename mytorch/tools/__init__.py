"""What looks at a graph from outside: nothing of the library imports it.

All but ``gradcheck`` work beside any engine that was written to the handout's names.
"""

from mytorch.tools.diagnosis import diagnose
from mytorch.tools.gradcheck import GradcheckError, gradcheck
from mytorch.tools.pictures import animate, draw
from mytorch.tools.recorder import trace

__all__ = ["GradcheckError", "animate", "diagnose", "draw", "gradcheck", "trace"]
