"""Colours that people with any kind of colour blindness can tell apart.

The first are chosen by people, the rest by a search: among colours of moderate
lightness that are not grey, always the one whose smallest CIELAB distance to those
before it is largest, taken over normal sight and simulated protanopia, deuteranopia
and tritanopia [1]_. So the colours of a set with few labels differ most, and the
distances shrink slowly: at least 9 among the first 60 and 5 among all.

References
----------
.. [1] G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, A physiologically-based model
   for simulation of color vision deficiency, IEEE TVCG 15(6), 2009; severity 1.0.
"""

from __future__ import annotations

__all__ = ["default_color"]

#: Okabe and Ito's palette without black and grey (M. Okabe, K. Ito, Color Universal
#: Design, 2008), then its lighter and darker tints.
_CHOSEN = """
e69f00 56b4e9 009e73 f0e442 0072b2 d55e00 cc79a7 f7cf80 a6d8f6 66cdaa 785ef0 994f00
"""
#: Found by the search, in its order.
_FOUND = """
553149 49189e 3d5531 8600ff ff0061 791879 cef3b6 79ffe7 aa86ff c29e49 b62479 860000
aac286 49793d 5531ce 6d49c2 f39ece cedb55 ff31ce e77986 aa189e 0c490c 00616d 616d55
aa619e 6192db 610c86 6d9218 aaff9e 6dce24 aadbaa 6d3d49 867931 dbff00 c2b66d ce0cf3
921824 92ffce 6daa92 003d6d aaf3ff 610cdb e7b661 aa9eff ce86c2 554992 86ceff ce8655
9e7986 865524 f3f386 863161 aa55db 6d86c2 ffb6c2 3d0cb6 798655 e77931 6d6186 1800ff
db1892 aaaa6d c2db92 6d18b6 6131aa 0c866d 31dbdb c231aa b6ff61 aa1818 f3929e 612455
923ddb 929e6d 9e3d49 86e7ce 1879ff b66149 ce9eb6 92c23d 9ec2e7 6de779 c2f30c aa0cc2
ff5592 ff6de7 0049ff 55aa31 aa3db6 ce55c2 618661 6dff6d 92db0c b6db9e 613131 619eb6
c2aaff 49e749 ffe7ce e74979 556131 795561 ce180c f3aa86 9e2455 9279f3 9e79e7 3dce55
"""

_PALETTE = tuple(
    (int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16))
    for code in (_CHOSEN + _FOUND).split()
)


def default_color(value: int) -> tuple[int, int, int]:
    """Return the colour (r, g, b) of a label that states none; it repeats after 120."""
    return _PALETTE[(value - 1) % len(_PALETTE)]
