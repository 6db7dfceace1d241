"""The figures of the report: plain records in, matplotlib figures and a sentence on each out.

style       colours with a dark twin, sizes, labels that keep out of each other's way
svg         a figure as inline SVG whose colours are CSS variables
rows        the matrices of a bench record as rows with their ratios
panel       `Panel`: a figure with its title, caption, text alternative and the kinds of its numbers
roofline, traffic, gains, libraries, cycles      from the record of `hwloop bench`
steps       from the record of `hwloop ablate`
knees, frontier, scaling                         from the records of `hwloop sweep`
device_roofline                                  from the record of `hwloop predict --breakdown`
panels      all figures that a set of records allows
"""
