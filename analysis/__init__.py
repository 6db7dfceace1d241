"""Result files in; tables, words, differences and time lines out. Runs nothing, imports nothing above `sim`.

record       `load_record`: a result file, checked, as a plain mapping
table        `summary`, `render_summary`: the table of one result
causes       `split_cycles`: every cycle of a run charged to one cause
explain      `explain_result`, `render_explanation`: the three largest causes in words
glossary     `explain_statistic`: what a figure or a setting means
compare      `compare`, `render_comparison`: the difference of two results, split by cause
timeline     `write_trace`: a Chrome/Perfetto time line
"""
