"""The course's page as data: what papers state, and what was counted from the architectures.

Two files of `models/course`: `published.json` is copied from papers, each table with its source; `counted.json` is
written by the workshop. What follows from either is computed where it is shown.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, Field, model_validator

from app.errors import ConvscopeError, NetworkUnusable
from app.manifest import Strict, read_checked
from app.places import COURSE

log = logging.getLogger(__name__)

Cell = str | int | float | None
State = Literal["random", "fine-tuned", "unchanged"]
P = TypeVar("P", bound=BaseModel)


class Source(Strict):
    """Where a figure was published."""

    text: str = Field(min_length=1, description="Authors and year.")
    place: str = Field(min_length=1, description="Table, figure or section.")
    url: str | None = None


class Column(Strict):
    """One column of a published table."""

    name: str = Field(pattern="^[a-z][a-z0-9_]*$")
    title: str
    unit: str = Field("", description="Of its numbers: %, million, ...")
    decimals: int | None = Field(None, description="How many its numbers were printed with; None where it is text.")

    def show(self, value: Cell, decimals: int | None = None) -> str:
        """A cell without its unit, with the column's decimals or others; a dash where the source prints nothing."""
        if value is None:
            return "–"
        if isinstance(value, str):
            return value
        return f"{value:,.{self.decimals if decimals is None else decimals}f}".replace("-", "−")


class Table(Strict):
    """A table as published, row by row."""

    title: str = Field(min_length=1)
    source: Source
    note: str = ""
    columns: tuple[Column, ...] = Field(min_length=2)
    rows: tuple[tuple[Cell, ...], ...] = Field(min_length=1)
    coarse: dict[str, int] = Field({}, description="First cell -> decimals, of rows printed with fewer than others.")

    @model_validator(mode="after")
    def _rectangular(self) -> "Table":
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"the row '{row[0]}' has {len(row)} cells for {len(self.columns)} columns")
            for column, cell in zip(self.columns, row, strict=True):
                if cell is not None and isinstance(cell, str) != (column.decimals is None):
                    raise ValueError(f"{cell!r} in the column '{column.name}' of {column.decimals} decimals")
        return self

    @property
    def records(self) -> Iterator[dict[str, Cell]]:
        """The rows, each by the columns' names."""
        names = [column.name for column in self.columns]
        return (dict(zip(names, row, strict=True)) for row in self.rows)

    def show(self, record: dict[str, Cell], name: str) -> str:
        """A cell as the source prints it."""
        return self.column(name).show(record[name], self.coarse.get(str(record[self.columns[0].name])))

    def column(self, name: str) -> Column:
        """The column of that name; KeyError when there is none."""
        return {column.name: column for column in self.columns}[name]

    def row(self, first: Cell) -> dict[str, Cell]:
        """The row that begins with that cell; KeyError when there is none."""
        return {row[0]: record for row, record in zip(self.rows, self.records, strict=True)}[first]

    def values(self, name: str) -> list[float]:
        """The numbers of a column, without the places where nothing was printed."""
        return [value for record in self.records if isinstance(value := record[name], int | float)]


class StateTitle(Strict):
    """What training does to a part of a network, in words."""

    id: State
    title: str


class Head(Strict):
    """The last layers for one task, and what they are trained towards (nothing: they are not trained)."""

    task: str
    state: State
    targets: tuple[str, ...]


class Teacher(Strict):
    """A second network whose output is a target."""

    title: str
    state: State


class Approach(Strict):
    """One way to teach a trained network something else: which part starts anew, moves or stays."""

    id: str = Field(pattern="^[a-z-]+$")
    title: str
    source: Source
    text: str
    images: tuple[str, ...] = Field(min_length=1)
    body: State
    heads: tuple[Head, ...] = Field(min_length=1)
    teacher: Teacher | None


class Published(Strict):
    """`published.json`: what papers state."""

    format: Literal[1]
    states: tuple[StateTitle, ...]
    approaches: tuple[Approach, ...]
    tables: dict[str, Table]


class CountedLayer(Strict):
    """A layer of a small plan: what it is, its kernel (taps along one axis) and output channels."""

    op: str
    kernel: int | None
    channels: int


class CountedNetwork(Strict):
    """An architecture at its published size. Batch normalisation is folded: one bias a map."""

    classes: int
    parameters: int
    multiply_adds: int
    units: int
    convolutions: int
    weight_layers: int = Field(description="Convolutions and full layers on the longest way from input to output.")
    plan: tuple[CountedLayer, ...] = Field((), description="Convolutions, norms, pools and full layers in order.")


class CountedStep(Strict):
    """A convolution of a module."""

    channels: int
    parameters: int
    multiply_adds: int


class CountedModule(Strict):
    """A module of parallel branches: maps that it is given, maps that it gives, and what lies between."""

    name: str
    inputs: int
    channels: int
    parameters: int
    multiply_adds: int
    steps: dict[str, CountedStep]


class Counted(Strict):
    """`counted.json`: what was counted from the architectures of the workshop."""

    format: Literal[1]
    networks: dict[str, CountedNetwork]
    modules: dict[str, tuple[CountedModule, ...]] = Field(description="Form of the module -> modules in order.")


@dataclass(frozen=True)
class Course:
    """Both files; a damaged one is None, and `problems` says why."""

    published: Published | None
    counted: Counted | None
    problems: tuple[ConvscopeError, ...] = ()

    @classmethod
    def open(cls, folder: Path = COURSE) -> "Course":
        """Read what there is; what is damaged leaves its parts of the page out and is told to the log."""
        problems: list[ConvscopeError] = []

        def read(name: str, kind: type[P]) -> P | None:
            try:
                return read_checked(folder / name, kind, "course file")
            except NetworkUnusable as error:
                log.error("%s", error.detail)
                problems.append(error)
                return None

        published, counted = read("published.json", Published), read("counted.json", Counted)
        return cls(published, counted, tuple(problems))
