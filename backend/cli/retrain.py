"""`python -m backend retrain`: a classifier from a folder of photos in class folders."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from backend.cli.console import messages, output
from backend.settings import load_settings

if TYPE_CHECKING:
    from backend.retraining.listener import Listener
    from backend.retraining.result import Retrained
    from backend.retraining.steps import StepReport

INTERRUPTED = 130
LINES_A_RUN = 20  # of the report on steps, where it is no terminal

_OUTPUT = "Output"
_PHOTOS = "Photos"
_TRAINING = "Training"
_DISTORTIONS = "Distortions: each training photo is also learnt from in changed copies"
_WATCHING = "Watching"
_EARLIER = "Accepted from scripts for TensorFlow for Poets"


def retrain(
    image_dir: Annotated[
        Path, typer.Option(help="Folder with one folder of photos for each class.", rich_help_panel=_PHOTOS)
    ],
    architecture: Annotated[
        str,
        typer.Option(
            help="Network: inception_v3, mobilenet_{1.0,0.75,0.50,0.25}_{224,192,160,128}, efficientnet_lite0, …1, "
            "…2 (`python -m backend backbones`). With _quantized at its end an int8 TFLite model is written as well.",
            rich_help_panel=_TRAINING,
        ),
    ] = "efficientnet_lite2",
    training_steps: Annotated[
        int,
        typer.Option(
            "--how-many-training-steps",
            "--training-steps",
            help="Steps of training; each sees one batch. 500 of Adam do what 4,000 of plain gradient descent did.",
            rich_help_panel=_TRAINING,
        ),
    ] = 500,
    learning_rate: Annotated[
        float, typer.Option(help="Of Adam at the first step; it falls to 0.", rich_help_panel=_TRAINING)
    ] = 0.01,
    testing_percentage: Annotated[
        float,
        typer.Option(help="Share of the photos that the final accuracy is measured on.", rich_help_panel=_PHOTOS),
    ] = 10,
    validation_percentage: Annotated[
        float,
        typer.Option(help="Share that is watched while training and sets the temperature.", rich_help_panel=_PHOTOS),
    ] = 10,
    train_batch_size: Annotated[int, typer.Option(help="Photos in a step.", rich_help_panel=_TRAINING)] = 100,
    eval_step_interval: Annotated[
        int, typer.Option(help="Steps between two looks at the accuracy.", rich_help_panel=_WATCHING)
    ] = 10,
    bottleneck_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder where embeddings are kept. Default: with all others, in STATE_DIR.", rich_help_panel=_PHOTOS
        ),
    ] = None,
    model_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of weights and compiled networks. Default: WEIGHTS_DIR.", rich_help_panel=_TRAINING),
    ] = None,
    output_graph: Annotated[
        Path,
        typer.Option(
            help="Model to write; its ending says how: .pb frozen graph, .keras, .tflite, .onnx, .xml OpenVINO, none "
            "SavedModel. A card is written beside it (.json).",
            rich_help_panel=_OUTPUT,
        ),
    ] = Path("retrained/retrained_graph.pb"),
    output_labels: Annotated[
        Path | None,
        typer.Option(
            help="Labels, one a line. Default: retrained_labels.txt beside the model.", rich_help_panel=_OUTPUT
        ),
    ] = None,
    saved_model_dir: Annotated[
        Path | None, typer.Option(help="Also write a SavedModel into this folder.", rich_help_panel=_OUTPUT)
    ] = None,
    intermediate_output_graphs_dir: Annotated[
        Path | None, typer.Option(help="Folder for models on the way.", rich_help_panel=_OUTPUT)
    ] = None,
    intermediate_store_frequency: Annotated[
        int, typer.Option(min=0, help="Steps between two models on the way; 0: none.", rich_help_panel=_OUTPUT)
    ] = 0,
    final_tensor_name: Annotated[
        str, typer.Option(help="Name of the frozen graph's result.", rich_help_panel=_OUTPUT)
    ] = "final_result",
    print_misclassified_test_images: Annotated[
        bool,
        typer.Option("--print-misclassified-test-images", help="List the mistakes.", rich_help_panel=_WATCHING),
    ] = False,
    summaries_dir: Annotated[
        Path | None,
        typer.Option(
            help="Write event files for TensorBoard: curves, histograms, a map of the photos, mistakes, the confusion "
            "matrix.",
            rich_help_panel=_WATCHING,
        ),
    ] = None,
    tensorboard: Annotated[
        bool,
        typer.Option("--tensorboard", help="Start TensorBoard, until Ctrl-C.", rich_help_panel=_WATCHING),
    ] = False,
    tensorboard_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Its port; 0: any.", rich_help_panel=_WATCHING)
    ] = 6006,
    flip_left_right: Annotated[
        bool, typer.Option("--flip-left-right", help="Mirror half of them.", rich_help_panel=_DISTORTIONS)
    ] = False,
    random_crop: Annotated[
        int, typer.Option(help="Cut away a margin of so many per cent.", rich_help_panel=_DISTORTIONS)
    ] = 0,
    random_scale: Annotated[
        int, typer.Option(help="Enlarge by up to so many per cent.", rich_help_panel=_DISTORTIONS)
    ] = 0,
    random_brightness: Annotated[
        int, typer.Option(help="Brighten or darken by up to so many per cent.", rich_help_panel=_DISTORTIONS)
    ] = 0,
    distorted_copies: Annotated[
        int, typer.Option(min=1, max=100, help="Changed copies of each photo.", rich_help_panel=_DISTORTIONS)
    ] = 4,
    validation_batch_size: Annotated[
        int, typer.Option(help="Without effect: all validation photos are looked at.", rich_help_panel=_EARLIER)
    ] = -1,
    test_batch_size: Annotated[
        int, typer.Option(help="Without effect: all test photos are looked at.", rich_help_panel=_EARLIER)
    ] = -1,
) -> None:
    """Train a classifier from a folder of photos, one folder for each class. Needs no Label Studio.

    What TensorFlow for Poets' `retrain` did, with its flags (--image_dir works as well as --image-dir). Embeddings
    ("bottlenecks") are kept: a second run reads the files only. Ctrl-C keeps what was embedded and trained; the same
    command goes on from there. A photo never changes sides between training, validation and testing.
    """
    from backend.cli.quiet import quiet_tensorflow
    from backend.retraining.options import Distortions, RetrainOptions
    from backend.retraining.retrain import retrain as run

    quiet_tensorflow()
    if tensorboard and summaries_dir is None:
        summaries_dir = output_graph.parent / "summaries"
    options = RetrainOptions(
        image_dir=image_dir,
        output_graph=output_graph,
        output_labels=output_labels or output_graph.with_name("retrained_labels.txt"),
        architecture=architecture,
        training_steps=training_steps,
        learning_rate=learning_rate,
        testing_percentage=testing_percentage,
        validation_percentage=validation_percentage,
        train_batch_size=train_batch_size,
        eval_step_interval=eval_step_interval,
        bottleneck_dir=bottleneck_dir,
        summaries_dir=summaries_dir,
        model_dir=model_dir,
        saved_model_dir=saved_model_dir,
        intermediate_output_graphs_dir=intermediate_output_graphs_dir,
        intermediate_store_frequency=intermediate_store_frequency,
        final_tensor_name=final_tensor_name,
        distortions=Distortions(flip_left_right, random_crop, random_scale, random_brightness, distorted_copies),
    )
    settings = load_settings()
    say = messages()
    with ExitStack() as stack:
        if tensorboard and summaries_dir is not None:
            from backend.retraining.summaries import tensorboard_server

            stack.enter_context(
                tensorboard_server(summaries_dir, tensorboard_port, lambda text: say.print(text, markup=False))
            )
        try:
            with _listening() as listener:
                result = run(options, settings, listener)
        except KeyboardInterrupt:
            say.print("Stopped. Bottlenecks and the last checkpoint are kept: the same command goes on from there.")
            raise typer.Exit(INTERRUPTED) from None
        _tell(result, options.output_graph, options.output_labels, print_misclassified_test_images)
        if tensorboard:
            say.print("TensorBoard runs until Ctrl-C.")
            _wait()


def _tell(result: Retrained, graph: Path, labels: Path, list_mistakes: bool) -> None:
    to = output()
    if list_mistakes:
        to.print("=== MISCLASSIFIED TEST IMAGES ===")
        for mistake in result.mistakes:
            to.print(
                f"{mistake.path}  {mistake.predicted} ({mistake.probability:.3f}) instead of {mistake.label}",
                markup=False,
                soft_wrap=True,
            )
    if result.testing is not None:
        to.print(f"Final test accuracy = {result.testing.accuracy:.1%} (N={result.testing.photos})", markup=False)
        to.print(result.testing.summary(), markup=False)
    else:
        to.print("No test accuracy: no photo is on the test side (--testing-percentage).", markup=False)
    to.print(f"{graph}, {labels}", markup=False)


def _wait() -> None:
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        return


@contextmanager
def _listening() -> Iterator[Listener]:
    from backend.retraining.listener import Listener

    class Shown(Listener):
        """Progress with rate and remaining time on standard error."""

        def __init__(self) -> None:
            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=messages(),
            )
            self._tasks: dict[str, tuple[TaskID, float, int]] = {}
            self._said = 0

        def say(self, text: str) -> None:
            self.bar.console.print(escape(text))

        def embedding(self, what: str, done: int, total: int) -> None:
            self._update(what, done, total, "photos")

        def step(self, report: StepReport, total: int) -> None:
            self._update("Training", report.step, total, "steps")
            if report.step * LINES_A_RUN // total > self._said or report.step == total:
                self._said = report.step * LINES_A_RUN // total
                validation = report.validation_accuracy
                watched = "" if validation is None else f", validation accuracy = {validation:.1%}"
                self.say(
                    f"Step {report.step}: train accuracy = {report.train_accuracy:.1%}, "
                    f"cross entropy = {report.train_loss:.4f}{watched}"
                )

        def _update(self, what: str, done: int, total: int, unit: str) -> None:
            if what not in self._tasks:
                self._tasks[what] = (self.bar.add_task(what, total=total, rate=""), time.monotonic(), done)
                self.bar.start()
            task, began, first = self._tasks[what]
            seconds = time.monotonic() - began
            rate = f"{(done - first) / seconds:.0f} {unit}/s" if seconds > 0.5 else ""
            self.bar.update(task, completed=done, total=total, rate=rate)

    shown = Shown()
    try:
        yield shown
    finally:
        if shown.bar.live.is_started:
            shown.bar.stop()
