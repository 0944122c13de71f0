"""What becomes of a data root when a run is killed, or can write no more, at any moment.

Belongs here: the instrument that finds every change of a data root (`points`), a real process of `uln` that it stops
there (`processes`), the scenario and what must stand at its end (`acts`), and the walk over all points (`__main__`,
`make crash`). `test_crash` plays a sample with the other tests, and shows that the instrument sees what it must.

A new write needs nothing here: it is found. To play another command: an act in `acts.ACTS`.
"""
