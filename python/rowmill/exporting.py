"""A fitted pipeline as a dataflow: its steps in order, each with the columns that it takes."""

import json
import os

import numpy as np
from sklearn import preprocessing as sk
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import NotFittedError, check_is_fitted

from . import fitted, models, preprocessing

FUNCTIONS = {
    np.abs: "abs",
    np.absolute: "abs",
    np.sqrt: "sqrt",
    np.square: "square",
    np.exp: "exp",
    np.expm1: "expm1",
    np.log: "log",
    np.log1p: "log1p",
    np.log2: "log2",
    np.log10: "log10",
    np.sin: "sin",
    np.cos: "cos",
    np.tanh: "tanh",
    np.negative: "negative",
    np.sign: "sign",
}


class CannotExport(ValueError):
    """A step that rowmill cannot serve; its text names the step."""


class Chain:
    """The steps so far."""

    def __init__(self, path, columns):
        self.path = path
        # The columns in the order of the rows, with those that steps have appended.
        self.order = list(columns)
        self.sections, self.fitted, self.seen = [], [], {}
        # Input columns that hold texts, and those of them that an encoder has replaced by numbers.
        self.texts, self.encoded = set(), set()

    def add(self, use, columns, parameters, learned=None):
        """Adds a step over these columns; with what it has learned if it has."""
        self.seen[use] = self.seen.get(use, 0) + 1
        label = use if self.seen[use] == 1 else f"{use}_{self.seen[use]}"
        section = {"use": use, "columns": columns} | parameters
        if learned is not None:
            section |= {"fit": "frozen", "params": self.path}
            self.fitted.append(fitted.FittedStep(label, columns, learned))
        self.sections.append(section)


def export(pipeline, columns, path, *, dataflow=None, outputs=None, prefix=None, source="-", sink="-"):
    """Writes a fitted pipeline as a file of fitted params and, if `dataflow` names one, a dataflow file that uses it.

    `columns` are the names of the pipeline's input columns, in its order. `outputs` says what the model at its end
    appends, such as ["prediction", "probability"]; `prefix` stands before those names.

    Raises CannotExport, which names the step, for what rowmill cannot serve.
    """
    columns = [str(column) for column in columns]
    if len(set(columns)) != len(columns):
        raise CannotExport("columns: a name stands there twice")
    # The dataflow names the file as it is seen from where rowmill runs.
    chain = Chain(os.fspath(path), columns)
    walk(pipeline, "", columns, chain, {"outputs": outputs, "prefix": prefix}, last=True)
    fitted.write(chain.fitted, path)
    if dataflow is not None:
        with open(dataflow, "w") as file:
            file.write(toml(columns, chain, source, sink))
    return chain.fitted


def walk(step, name, columns, chain, at_end, last=False):
    """Adds a step and returns the names of its result's columns."""
    where = f"step {name!r} ({type(step).__name__})" if name else type(step).__name__
    if isinstance(step, Pipeline):
        for place, (inner, each) in enumerate(step.steps):
            ends = last and place + 1 == len(step.steps)
            columns = walk(each, f"{name}.{inner}" if name else inner, columns, chain, at_end, ends)
        return columns
    if step is None or isinstance(step, str) and step == "passthrough":
        return columns
    try:
        if isinstance(step, ColumnTransformer):
            return column_transformer(step, name, columns, chain)
        return plain(step, columns, chain, at_end, last)
    except models.Refused as error:
        raise CannotExport(f"{where}: {error}") from None
    except NotFittedError:
        raise CannotExport(f"{where}: it is not fitted") from None


def plain(step, columns, chain, at_end, last):
    kind = type(step)
    if kind is not sk.FunctionTransformer:
        check_is_fitted(step)
    if kind in (sk.OneHotEncoder, sk.OrdinalEncoder):
        return encoder(step, columns, chain)
    if kind in models.NAMES and "hist" in models.NAMES[kind]:
        # Categories that are texts: their codes are those of an encoder before the model.
        for place, values in models.categories(step).items():
            if all(isinstance(each, str) for each in values):
                chain.texts.add(columns[place])
                chain.encoded.add(columns[place])
                chain.add("ordinal_encoder", [columns[place]], {"handle_unknown": "use_encoded_value"}, {"categories_": [values]})
    of_texts = [column for column in columns if column in chain.texts - chain.encoded]
    if of_texts:
        raise models.Refused(f"column {of_texts[0]} holds texts, which an encoder must replace before")
    if kind is sk.FunctionTransformer:
        return function(step, columns, chain)
    names = preprocessing.NAMES | {sk.Normalizer: "normalizer", sk.Binarizer: "binarizer"}
    names |= {sk.PolynomialFeatures: "polynomial_features"}
    if kind in names:
        use = names[kind]
        reason = preprocessing.refused(step, use)
        if reason:
            raise models.Refused(reason)
        learned = preprocessing.learned(step, use) if kind in preprocessing.NAMES else None
        chain.add(use, columns, preprocessing.parameters(step, use), learned)
        if use == "polynomial_features":
            columns = products(step, columns, chain.order)
            chain.order += [column for column in columns if column not in chain.order]
        return columns
    if kind not in models.NAMES:
        raise models.Refused("rowmill has no such subtask")
    use = models.NAMES[kind]
    made, parameters = models.transformed(step, use), {}
    if last:
        if at_end["outputs"] is not None:
            parameters["outputs"] = list(at_end["outputs"])
        if at_end["prefix"] is not None:
            parameters["prefix"] = at_end["prefix"]
    elif made is None:
        raise models.Refused("a model stands at the end of a pipeline")
    else:
        times = chain.seen.get(use, 0)
        prefix = f"{use}_{times + 1}_" if times else ""
        parameters = {"outputs": [made[0]], "prefix": prefix}
        made = made[0], [prefix + column for column in made[1]]
    chain.add(use, columns, parameters, models.learned(step, use))
    if made is None:
        return columns
    chain.order += made[1]
    return made[1]


def products(step, columns, order):
    """The names of the products, whose factors rowmill names in the order of the rows."""
    by_place = sorted(range(len(columns)), key=lambda place: order.index(columns[place]))
    power = lambda place, exponent: columns[place] if exponent == 1 else f"{columns[place]}^{exponent}"
    name = lambda powers: " ".join(power(place, powers[place]) for place in by_place if powers[place]) or "1"
    return [name(powers) for powers in step.powers_]


def encoder(step, columns, chain):
    """Texts as numbers; their columns are replaced."""
    for column, categories in zip(columns, step.categories_):
        if not all(isinstance(category, str) for category in categories):
            raise models.Refused(f"the categories of {column} are not texts alone")
    chain.texts.update(columns)
    categories = [[str(category) for category in each] for each in step.categories_]
    if isinstance(step, sk.OneHotEncoder):
        if step.drop is not None:
            raise models.Refused("drop leaves columns out")
        if step.handle_unknown not in ("error", "ignore"):
            raise models.Refused(f"handle_unknown={step.handle_unknown!r}: rowmill knows 'error' and 'ignore'")
        if step.min_frequency is not None or step.max_categories is not None:
            raise models.Refused("infrequent categories are put together")
        # scikit-learn's order is that of `columns`, rowmill's that of the rows: one step a column keeps it.
        for column, own in zip(columns, categories):
            chain.add("one_hot_encoder", [column], {"categories": [own], "handle_unknown": step.handle_unknown})
        made = [f"{column}_{category}" for column, own in zip(columns, categories) for category in own]
        chain.order += made
    else:
        if step.min_frequency is not None or step.max_categories is not None:
            raise models.Refused("infrequent categories are put together")
        if step.encoded_missing_value == step.encoded_missing_value:
            raise models.Refused("encoded_missing_value is not NaN")
        parameters = {"handle_unknown": step.handle_unknown}
        if step.handle_unknown == "use_encoded_value" and not np.isnan(step.unknown_value):
            parameters["unknown_value"] = float(step.unknown_value)
        for column, own in zip(columns, categories):
            chain.add("ordinal_encoder", [column], parameters, {"categories_": [own]})
        made = list(columns)
        chain.order = [column for column in chain.order if column not in made] + made
        chain.encoded.update(columns)
    return made


def function(step, columns, chain):
    """A FunctionTransformer of a function that rowmill knows by name."""
    if step.func is None:
        return columns
    if step.kw_args:
        raise models.Refused("kw_args are given")
    try:
        func = FUNCTIONS.get(step.func)
    except TypeError:
        func = None
    if func is None:
        shown = getattr(step.func, "__name__", repr(step.func))
        known = ", ".join(sorted(set(FUNCTIONS.values())))
        raise models.Refused(f"the function {shown} is not one of numpy's {known}")
    chain.add("function_transformer", columns, {"func": func})
    return columns


def column_transformer(step, name, columns, chain):
    """Each transformer over its own columns; they change them in place, so a column may go to one alone."""
    check_is_fitted(step)
    where, made, taken = f"step {name!r} (ColumnTransformer)" if name else "ColumnTransformer", [], set()
    for inner, each, own in step.transformers_:
        chosen = selected(own, columns, step)
        if isinstance(each, str) and each == "drop":
            continue
        twice = taken.intersection(chosen)
        if twice:
            raise CannotExport(f"{where}: column {sorted(twice)[0]} goes to two transformers: {inner!r} is the second")
        taken.update(chosen)
        if chosen:
            made += walk(each, f"{name}.{inner}" if name else inner, chosen, chain, {})
    return made


def selected(own, columns, step):
    """The names that a transformer of a ColumnTransformer takes."""
    if isinstance(own, slice):
        if isinstance(own.start, str) or isinstance(own.stop, str):
            known = list(step.feature_names_in_)
            start = known.index(own.start) if own.start is not None else None
            stop = known.index(own.stop) + 1 if own.stop is not None else None
            own = slice(start, stop, own.step)
        return columns[own]
    if isinstance(own, (str, int, np.integer)):
        own = [own]
    own = list(own)
    if own and isinstance(own[0], (bool, np.bool_)):
        return [column for column, flag in zip(columns, own) if flag]
    known = list(getattr(step, "feature_names_in_", columns))
    return [columns[known.index(each)] if isinstance(each, str) else columns[each] for each in own]


def toml(columns, chain, source, sink):
    """The dataflow file."""
    numbers, texts = ([c for c in columns if (c in chain.texts) == of_texts] for of_texts in (False, True))
    lines = ["# Written by rowmill.export.", "[schema]", f"number = {value(numbers)}"]
    lines += [f"text = {value(texts)}"] if texts else []
    lines += ["", "[source]", f"url = {value(source)}", "", "[sink]", f"url = {value(sink)}"]
    for section in chain.sections:
        lines += ["", "[[subtask]]"] + [f"{key} = {value(each)}" for key, each in section.items()]
    return "\n".join(lines) + "\n"


def value(each):
    """A value of TOML."""
    if isinstance(each, (list, tuple)):
        return f"[{', '.join(value(x) for x in each)}]"
    if isinstance(each, (bool, np.bool_)):
        return "true" if each else "false"
    if isinstance(each, (int, np.integer)):
        return str(int(each))
    if isinstance(each, (float, np.floating)):
        return repr(float(each))
    return json.dumps(str(each), ensure_ascii=False)
