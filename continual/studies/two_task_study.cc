#include "continual/studies/two_task_study.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <numeric>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/nn/hessian.h"
#include "common/optim/optimizer.h"
#include "common/population/unit_state.h"
#include "common/record/safetensors.h"
#include "continual/analysis/distance.h"
#include "continual/analysis/matching.h"

namespace perennial::continual {
namespace {

// "multitask from first", for people.
std::string Words(int solution) {
  return absl::StrReplaceAll(TwoTaskStudy::Name(solution), {{"_", " "}});
}

bool IsFinite(double value) { return std::isfinite(value); }

// As the distances' map names them: it has little room.
constexpr absl::string_view kShortNames[] = {"first",     "sequential", "from first",
                                             "same init", "other init", "matched"};

}  // namespace

absl::string_view TwoTaskStudy::Name(int solution) {
  static constexpr absl::string_view kNames[] = {"first",
                                                 "sequential",
                                                 "multitask_from_first",
                                                 "multitask_same_init",
                                                 "multitask_other_init",
                                                 "multitask_other_init_matched"};
  static_assert(std::size(kNames) == kSolutions);
  CHECK(solution >= 0 && solution < kSolutions);
  return kNames[solution];
}

const std::vector<TwoTaskStudy::Line>& TwoTaskStudy::Lines() {
  static const auto* const kLines = [] {
    auto* lines = new std::vector<Line>;
    for (const int task : {0, 1}) {
      for (int to = kFirst + 1; to < kSolutions; ++to) {
        lines->push_back({.from = kFirst, .to = to, .task = task});
      }
    }
    lines->push_back({.from = kSequential, .to = kFromFirst, .task = 1});
    return lines;
  }();
  return *kLines;
}

std::string TwoTaskStudy::CurveName(absl::string_view quantity, const Line& line) {
  return absl::StrCat(quantity, " on task ", line.task + 1, " along lines from the ",
                      Words(line.from), " solution");
}

absl::StatusOr<std::unique_ptr<TwoTaskStudy>> TwoTaskStudy::Create(TwoTaskStudyOptions options) {
  CHECK(options.points >= 2 && options.curvature_images >= 1 && options.random_directions >= 1 &&
        options.lanczos_products >= 1 && options.matching_searches >= 1);
  const nn::Network& network = options.network;
  const TaskStream& stream = *options.stream;
  if (stream.tasks() < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("a stream of ", stream.tasks(), " task; a two-task study needs two"));
  }
  if (network.inputs() != stream.features() || network.outputs() != stream.classes()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a network of ", network.inputs(), " inputs and ", network.outputs(),
                     " outputs does not fit a stream of ", stream.features(), " pixels and ",
                     stream.classes(), " classes"));
  }
  PERENNIAL_RETURN_IF_ERROR(SupportsMatching(network));
  PERENNIAL_RETURN_IF_ERROR(nn::HessianPass<float>::Supports(network));
  return absl::WrapUnique(new TwoTaskStudy(std::move(options)));
}

TwoTaskStudy::TwoTaskStudy(TwoTaskStudyOptions options)
    : options_(std::move(options)), random_(options_.seed) {
  MakePlan();
}

Phase TwoTaskStudy::MakePhase(const TaskStream& stream, int index) const {
  Phase phase;
  if (index == kFirst) {
    phase = options_.train(stream.Train(0), 0);
  } else if (index == kSequential) {
    phase = options_.train(stream.Train(1), 1);
  } else {
    ImageView both = stream.Train(0);
    both.Append(stream.Train(1));
    phase = options_.multitask(std::move(both));
  }
  phase.row = index;
  return phase;
}

random::Stream TwoTaskStudy::PhaseRandom(int index, const Phase& phase) const {
  // As TaskUnit: the joint learner, too, trains when the last task has come.
  return random_.Split("order").Split(index == kFirst ? 0 : 1).Split(phase.name);
}

int32_t TwoTaskStudy::curvature_images() const {
  return std::min(options_.curvature_images, options_.stream->train_size(0));
}

void TwoTaskStudy::MakePlan() {
  const nn::Network& network = options_.network;
  const std::unique_ptr<TaskStream> sizes = SizesOf(*options_.stream);
  nn::Rows<float> no_rows(kSolutions, 0);
  int64_t largest = PathBytes(network);  // Of what is there at one time, beside the rows.
  for (int index = 0; index < kPhases; ++index) {
    const Phase phase = MakePhase(*sizes, index);
    const PhaseTrainer trainer(network, phase, random_, no_rows);
    phase_steps_[index] = trainer.steps();
    plan_.steps += trainer.steps();
    for (int64_t step = 0; step < trainer.steps(); ++step) {
      const PhaseTrainer::Work work = trainer.WorkOf(step);
      plan_.training_flops += work.training_flops;
      plan_.replay_flops += work.replay_flops;
      planned_passes_ += work.passes;
      planned_images_ += work.examples + work.replayed;
    }
    largest = std::max(largest, trainer.MemoryBytes());
  }
  for (const Line& line : Lines()) {
    plan_.evaluation_flops +=
        PathFlops(network, sizes->test_size(line.task), {.points = options_.points});
  }
  plan_.evaluation_flops += (directions() + options_.lanczos_products) *
                            LossHessian<float>::Flops(network, curvature_images());
  plan_.steps += 1 + std::ssize(Lines()) + directions() + 1;
  largest = std::max({largest, MatchingBytes(network),
                      LossHessian<float>::Bytes(network) + curvature_images() * network.inputs() +
                          LanczosBytes(network, {.products = options_.lanczos_products})});
  plan_.memory_bytes = static_cast<double>(kSolutions * network.layout().size()) * sizeof(float) +
                       static_cast<double>(largest);
}

TwoTaskStudy::Position TwoTaskStudy::PositionAfter(int64_t steps) const {
  for (int index = 0; index < kPhases; ++index) {
    if (steps < phase_steps_[index]) return {Stage::kTraining, index, steps};
    steps -= phase_steps_[index];
  }
  const std::pair<Stage, int64_t> rest[] = {{Stage::kMatching, 1},
                                            {Stage::kLines, std::ssize(Lines())},
                                            {Stage::kCurvature, directions()},
                                            {Stage::kEigenvalue, 1}};
  for (const auto& [stage, count] : rest) {
    if (steps < count) return {stage, static_cast<int>(steps)};
    steps -= count;
  }
  return {Stage::kEnd};
}

double TwoTaskStudy::progress() const {
  // Sums of whole numbers are exact below 2^53; beyond, the two may round differently.
  if (finished() || plan_.total_flops() == 0) return 1;
  return std::min(flops_done_ / plan_.total_flops(), 1.0);
}

absl::Status TwoTaskStudy::Advance(int64_t steps) {
  if (!rows_.has_value() && !finished()) {
    rows_.emplace(kSolutions, options_.network.layout().size());
    EnterPhase(0);
  }
  for (int64_t i = 0; i < steps && !finished(); ++i) {
    const Position now = PositionAfter(steps_done_);
    absl::Status status;
    switch (now.stage) {
      case Stage::kTraining:
        status = TrainingStep(now);
        break;
      case Stage::kMatching:
        status = Match();
        break;
      case Stage::kLines:
        status = MeasureLine(now.index);
        break;
      case Stage::kCurvature:
        status = MeasureCurvature(now.index);
        break;
      case Stage::kEigenvalue:
        status = MeasureEigenvalue();
        break;
      case Stage::kEnd:
        break;
    }
    PERENNIAL_RETURN_IF_ERROR(status);
    ++steps_done_;
  }
  return absl::OkStatus();
}

void TwoTaskStudy::EnterPhase(int index) {
  trainer_.reset();
  loss_sum_ = 0;
  for (; index < kPhases; ++index) {
    const nn::Row<float> row = rows_->row(index);
    if (index == kSequential || index == kFromFirst) {
      rows_->CopyRow(kFirst, index);
    } else {
      const char* const init = index == kOtherInit ? "other_init" : "init";
      options_.network.Initialize<float>(random_.Split(init), row);
    }
    if (phase_steps_[index] > 0) break;
  }
  phase_.reset();
  if (index == kPhases) return;
  phase_.emplace(MakePhase(*options_.stream, index));
  trainer_.emplace(options_.network, *phase_, PhaseRandom(index, *phase_), *rows_);
}

void TwoTaskStudy::Report(std::vector<std::pair<std::string, double>> values) {
  events_.push_back({.step = steps_done_ + 1, .values = std::move(values)});
}

absl::Status TwoTaskStudy::TrainingStep(const Position& now) {
  const double loss = trainer_->Step(now.step);
  if (!std::isfinite(loss)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the loss is ", loss, " while training for the solution \"", Name(now.index), "\", step ",
        now.step + 1, "; choose a learning rate below ", phase_->optimizer.learning_rate));
  }
  loss_sum_ += loss;
  const PhaseTrainer::Work work = trainer_->WorkOf(now.step);
  flops_done_ += work.training_flops + work.replay_flops;
  if (now.step + 1 == phase_steps_[now.index]) {
    Report({{absl::StrCat(Name(now.index), "_loss"),
             loss_sum_ / static_cast<double>(phase_steps_[now.index])}});
    EnterPhase(now.index + 1);
  }
  return absl::OkStatus();
}

absl::Status TwoTaskStudy::Match() {
  PERENNIAL_ASSIGN_OR_RETURN(
      const Matching matching,
      MatchWeights(options_.network, rows_->row(kFirst), rows_->row(kOtherInit),
                   rows_->row(kMatched),
                   {.random = random_.Split("matching"), .searches = options_.matching_searches}));
  sweeps_ = matching.sweeps();
  std::vector<nn::ConstRow<float>> solutions;
  for (int s = 0; s < kSolutions; ++s) solutions.push_back(rows_->row(s));
  distances_ = DistanceMatrix(options_.network.layout(), solutions);
  Report({{"matching_sweeps", static_cast<double>(sweeps_)}});
  return absl::OkStatus();
}

absl::Status TwoTaskStudy::MeasureLine(int index) {
  const Line& line = Lines()[index];
  const PathOptions options = {.points = options_.points};
  Path path = EvaluatePath(options_.network, rows_->row(line.from), rows_->row(line.to),
                           options_.stream->Test(line.task), options);
  const auto bad = std::ranges::find_if_not(path.loss, IsFinite);
  if (bad != path.loss.end()) {
    return absl::FailedPreconditionError(absl::StrCat("\"", CurveName("Loss", line), "\" is ", *bad,
                                                      " at ", path.alpha[bad - path.loss.begin()],
                                                      "; choose smaller learning rates"));
  }
  flops_done_ += PathFlops(options_.network, options_.stream->test_size(line.task), options);
  Report({{"task", line.task + 1},
          {absl::StrCat("barrier_", Name(line.from), "_to_", Name(line.to)), Barrier(path)}});
  paths_.push_back(std::move(path));
  return absl::OkStatus();
}

LossHessian<float>& TwoTaskStudy::Hessian() {
  if (!hessian_.has_value()) {
    // A copy: the images are passed over dozens of times, and views may have to turn them.
    const ImageView images = options_.stream->Train(0);
    const std::vector<int32_t> chosen =
        random_.Split("curvature_images").Sample(images.size(), curvature_images());
    hessian_images_ = std::make_shared<const data::LabeledImages>(images.Select(chosen));
    hessian_.emplace(options_.network, rows_->row(kFirst), hessian_images_);
  }
  return *hessian_;
}

absl::Status TwoTaskStudy::MeasureCurvature(int index) {
  const nn::ParameterLayout& layout = options_.network.layout();
  nn::Rows<float> direction(1, layout.size());
  const int solution = index + 1;
  const bool drawn = solution >= kSolutions;
  const std::string what = drawn ? "random" : std::string(Name(solution));
  if (drawn) {
    FillUnitGaussian<float>(layout, random_.Split("directions").Split(solution - kSolutions),
                            direction.row(0));
  } else {
    std::ranges::transform(rows_->row(solution), rows_->row(kFirst), direction.row(0).begin(),
                           std::minus<>());
  }
  const absl::StatusOr<double> curvature = CurvatureAlong<float>(Hessian(), direction.row(0));
  PERENNIAL_RETURN_IF_ERROR(base::WithContext(
      curvature.status(), absl::StrCat("curvature at \"", Name(kFirst), "\" towards ", what)));
  if (!std::isfinite(*curvature)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the curvature towards ", what, " is ", *curvature, "; choose smaller learning rates"));
  }
  flops_done_ += LossHessian<float>::Flops(options_.network, curvature_images());
  curvatures_.push_back(*curvature);
  Report({{absl::StrCat("curvature_", what), *curvature}});
  return absl::OkStatus();
}

absl::Status TwoTaskStudy::MeasureEigenvalue() {
  top_ = FindTopEigenvalue<float>(Hessian(), random_.Split("lanczos"),
                                  {.products = options_.lanczos_products});
  if (!std::isfinite(top_.value)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the top eigenvalue is ", top_.value, "; choose smaller learning rates"));
  }
  flops_done_ +=
      options_.lanczos_products * LossHessian<float>::Flops(options_.network, curvature_images());
  Report({{"top_eigenvalue", top_.value}});
  hessian_.reset();
  hessian_images_ = {};
  return absl::OkStatus();
}

std::vector<population::Event> TwoTaskStudy::TakeEvents() { return std::exchange(events_, {}); }

void TwoTaskStudy::Release() {
  trainer_.reset();
  hessian_.reset();
  hessian_images_ = {};
  rows_.reset();
}

absl::StatusOr<std::string> TwoTaskStudy::Save() const {
  CHECK(rows_.has_value() || steps_done_ == 0) << "the state of a released unit";
  const nn::Rows<float> none(0, options_.network.layout().size());
  const nn::Rows<float>& rows = rows_.has_value() ? *rows_ : none;
  record::SafetensorsWriter writer;
  const int64_t counts[] = {steps_done_, sweeps_};
  const double sums[] = {flops_done_, loss_sum_, top_.value, top_.residual};
  std::vector<double> paths, distances;
  for (const Path& path : paths_) {
    paths.insert(paths.end(), path.loss.begin(), path.loss.end());
    paths.insert(paths.end(), path.accuracy.begin(), path.accuracy.end());
  }
  for (const std::vector<double>& row : distances_) {
    distances.insert(distances.end(), row.begin(), row.end());
  }
  PERENNIAL_RETURN_IF_ERROR(writer.Add<int64_t>("counts", {std::ssize(counts)}, counts));
  PERENNIAL_RETURN_IF_ERROR(writer.Add<double>("sums", {std::ssize(sums)}, sums));
  PERENNIAL_RETURN_IF_ERROR(
      writer.Add<double>("paths", {std::ssize(paths_), 2, options_.points}, paths));
  PERENNIAL_RETURN_IF_ERROR(
      writer.Add<double>("distances", {std::ssize(distances_), kSolutions}, distances));
  PERENNIAL_RETURN_IF_ERROR(
      writer.Add<double>("curvatures", {std::ssize(curvatures_)}, curvatures_));
  PERENNIAL_RETURN_IF_ERROR(writer.Add<float>("rows", {rows.count(), rows.size()}, rows.all()));
  if (trainer_.has_value()) {
    const nn::Rows<float>& optimizer = std::as_const(*trainer_).optimizer().state();
    PERENNIAL_RETURN_IF_ERROR(
        writer.Add<float>("optimizer", {optimizer.count(), optimizer.size()}, optimizer.all()));
  }
  population::MarkUnitState(options_.key, writer);
  return writer.Finish();
}

absl::Status TwoTaskStudy::Load(absl::string_view state) {
  // Everything is read and checked before anything of the unit changes.
  PERENNIAL_ASSIGN_OR_RETURN(const record::SafetensorsFile file,
                             population::ParseUnitState(state, options_.key));
  PERENNIAL_ASSIGN_OR_RETURN(const auto counts, file.Read<int64_t>("counts"));
  PERENNIAL_ASSIGN_OR_RETURN(const auto sums, file.Read<double>("sums"));
  PERENNIAL_ASSIGN_OR_RETURN(const auto paths, file.Read<double>("paths"));
  PERENNIAL_ASSIGN_OR_RETURN(const auto distances, file.Read<double>("distances"));
  PERENNIAL_ASSIGN_OR_RETURN(auto curvatures, file.Read<double>("curvatures"));
  PERENNIAL_ASSIGN_OR_RETURN(const auto rows, file.Read<float>("rows"));
  const absl::Status other = absl::DataLossError(
      absl::StrCat("the state does not belong to this configuration of ", options_.key.Id()));
  if (counts.size() != 2 || counts[0] < 0 || counts[0] > plan_.steps || counts[1] < 0 ||
      sums.size() != 4 || !std::ranges::all_of(sums, IsFinite) || sums[0] < 0 ||
      sums[0] > plan_.total_flops() * (1 + 1e-12)) {
    return other;
  }
  const int64_t steps = counts[0];
  const Position position = PositionAfter(steps);
  const auto done = [&](Stage stage, int64_t all) {
    return position.stage > stage ? all : position.stage == stage ? position.index : 0;
  };
  const int64_t lines = done(Stage::kLines, std::ssize(Lines()));
  const int64_t matrix_rows = position.stage > Stage::kMatching ? kSolutions : 0;
  const int64_t points = options_.points;
  const int64_t size = options_.network.layout().size();
  if (std::ssize(paths) != lines * 2 * points ||
      std::ssize(distances) != matrix_rows * kSolutions ||
      std::ssize(curvatures) != done(Stage::kCurvature, directions()) ||
      std::ssize(rows) != (steps > 0 ? kSolutions * size : 0) ||
      !std::ranges::all_of(paths, IsFinite) || !std::ranges::all_of(distances, IsFinite) ||
      !std::ranges::all_of(curvatures, IsFinite)) {
    return other;
  }
  std::vector<Path> measured;
  for (int64_t l = 0; l < lines; ++l) {
    Path& path = measured.emplace_back();
    path.alpha = PathAlpha({.points = options_.points});
    const auto begin = paths.begin() + 2 * l * points;
    path.loss.assign(begin, begin + points);
    path.accuracy.assign(begin + points, begin + 2 * points);
    for (const double accuracy : path.accuracy) {
      if (!(accuracy >= 0 && accuracy <= 1)) return other;
    }
  }
  std::optional<Phase> phase;
  std::vector<float> optimizer;
  if (steps > 0 && position.stage == Stage::kTraining) {
    phase.emplace(MakePhase(*options_.stream, position.index));
    PERENNIAL_ASSIGN_OR_RETURN(optimizer, file.Read<float>("optimizer"));
    if (std::ssize(optimizer) != optim::Optimizer<float>::StateRows(phase->optimizer) *
                                     options_.network.layout().trainable()) {
      return other;
    }
  }

  Release();
  steps_done_ = steps;
  sweeps_ = counts[1];
  flops_done_ = sums[0];
  loss_sum_ = sums[1];
  top_ = {.value = sums[2], .residual = sums[3]};
  events_.clear();
  paths_ = std::move(measured);
  distances_.clear();
  for (int64_t r = 0; r < matrix_rows; ++r) {
    const auto begin = distances.begin() + r * kSolutions;
    distances_.emplace_back(begin, begin + kSolutions);
  }
  curvatures_ = std::move(curvatures);
  if (steps == 0) return absl::OkStatus();  // Begins with the first step.
  rows_.emplace(kSolutions, size);
  std::ranges::copy(rows, rows_->all().begin());
  phase_ = std::move(phase);
  if (phase_.has_value()) {
    trainer_.emplace(options_.network, *phase_, PhaseRandom(position.index, *phase_), *rows_);
    std::ranges::copy(optimizer, trainer_->optimizer().state().all().begin());
    trainer_->optimizer().set_steps(position.step);
  }
  return absl::OkStatus();
}

population::UnitResults TwoTaskStudy::Results() const {
  population::UnitResults results;
  const auto add = [&](std::string metric, absl::string_view unit, double value,
                       absl::string_view solution = "") {
    results.measurements.push_back(
        {std::move(metric), std::string(unit), value, std::string(solution)});
  };
  for (size_t l = 0; l < paths_.size(); ++l) {
    const Line& line = Lines()[l];
    const Path& path = paths_[l];
    const absl::string_view to = Name(line.to);
    if (line.from != kFirst) {
      add(absl::StrCat("barrier_", Name(line.from), "_to_", to), "nat", Barrier(path));
    } else {
      if (line.task == 0) {
        add("barrier", "nat", Barrier(path), to);
        add("rise", "nat", std::ranges::max(path.loss) - path.loss.front(), to);
      }
      const std::string accuracy = absl::StrCat("task_", line.task + 1, "_accuracy");
      if (line.to == kFirst + 1) add(accuracy, "fraction", path.accuracy.front(), Name(kFirst));
      add(accuracy, "fraction", path.accuracy.back(), to);
    }
    for (const bool loss : {true, false}) {
      results.curves.push_back({.name = CurveName(loss ? "Loss" : "Accuracy", line),
                                .x_label = "alpha: 0 its start, 1 the solution",
                                .y_label = loss ? "loss, nats" : "accuracy",
                                .x = path.alpha,
                                .y = loss ? path.loss : path.accuracy,
                                .method = std::string(to)});
    }
  }
  population::Matrix matrix = {.name = "Distance between solutions",
                               .row_label = "solution",
                               .column_label = "solution",
                               .values = {}};
  for (int s = 0; s < kSolutions; ++s) {
    matrix.names.emplace_back(kShortNames[s]);
    if (s > kFirst) add("distance", "l2", distances_[kFirst][s], Name(s));
    matrix.values.emplace_back(distances_[s].begin(), distances_[s].end());
  }
  results.matrices.push_back(std::move(matrix));

  const auto drawn = curvatures_.begin() + (kSolutions - 1);
  for (int s = kFirst + 1; s < kSolutions; ++s) {
    add("curvature", "nat", curvatures_[s - 1], Name(s));
  }
  add("curvature", "nat",
      std::accumulate(drawn, curvatures_.end(), 0.0) / options_.random_directions,
      "random_direction");
  add("top_eigenvalue", "nat", top_.value);
  add("top_eigenvalue_residual", "nat", top_.residual);
  add("matching_sweeps", "count", static_cast<double>(sweeps_));
  add("gradient_passes", "count", static_cast<double>(planned_passes_));
  add("gradient_images", "count", static_cast<double>(planned_images_));
  add("training_flops", "flop", plan_.training_flops);
  add("replay_flops", "flop", plan_.replay_flops);
  add("evaluation_flops", "flop", plan_.evaluation_flops);
  return results;
}

}  // namespace perennial::continual
