"""What the report shows of one task alone: a file for each, with its template.

A file has a function `page(inputs, prepared, examples)`, which `Task.page` calls:

    inputs: what the stages wrote, the same for every task; files that only this task has are read by its page.
    prepared: folder of the stage `prepare`, whose stores hold the examples to show.
    examples: how many are shown in each gallery; 0 for none.

It returns the fields that its template reads, and any of these, each of which has a default in `report.page`:

    template: name of the template with the sections of this task, relative to `sprout/report`.
    contents: the titles of those sections, by anchor.
    what: a sentence on what was trained, and from which examples.
    headline: the result in one line.
    explanation: what the headline means, in a few sentences.
    meaning: what the metrics mean; `Task.meaning` is the default.
    methods: where the intervals are from; follows the meaning.
    tested: how many test examples the metrics are from.
    digits: after the decimal point of percentages.
    intervals: by the key of a metric, the confidence interval of each model's value on test, (low, high).
    model_rows: further rows of the table of models: a title, and a text for each model.
"""
