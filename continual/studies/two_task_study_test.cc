#include "continual/studies/two_task_study.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/data/batch.h"
#include "common/nn/loss.h"
#include "common/optim/optimizer.h"
#include "common/record/safetensors.h"
#include "common/testing/images.h"
#include "continual/continual.pb.h"
#include "continual/learners/joint.h"
#include "continual/learners/naive.h"
#include "continual/streams/view_batches.h"
#include "continual/training/trainer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

using ::testing::HasSubstr;
using Study = TwoTaskStudy;

constexpr int32_t kClasses = 3;
constexpr int32_t kTrain = 50;
constexpr uint64_t kSeed = 7;

// Tasks with templates of their own.
class TestStream final : public TaskStream {
 public:
  explicit TestStream(int tasks) : tasks_(tasks) {}
  std::string name() const override { return "test"; }
  int tasks() const override { return tasks_; }
  int32_t features() const override { return 6; }
  int32_t classes() const override { return kClasses; }
  int32_t train_size(int) const override { return kTrain; }
  int32_t test_size(int task) const override { return 20 + task; }
  ImageView Train(int task) const override { return Make(kTrain, task, "train"); }
  ImageView Test(int task) const override { return Make(20 + task, task, "test"); }

 private:
  static ImageView Make(int32_t size, int task, const char* part) {
    const random::Stream templates = random::Stream(task).Split("templates");
    return std::make_shared<const data::LabeledImages>(testing::ClassImages(
        size, 2, 3, kClasses, 0.3, templates, random::Stream(task).Split(part)));
  }

  int tasks_;
};

nn::NetworkSpec WithDropout() {
  return {.inputs = 6,
          .blocks = {{.layers = {nn::Dense(5, nn::Activation::kTanh), nn::Dropout(0.2),
                                 nn::Dense(4, nn::Activation::kTanh), nn::Dense(kClasses)}}}};
}
nn::Network SmallNetwork() { return *nn::Network::Create(WithDropout()); }

TrainingConfig Training() {
  TrainingConfig training;
  training.set_learning_rate(0.1);
  training.set_learning_rate_decay(0.7);
  training.set_momentum(0.5);
  training.set_batch_size(8);
  training.set_epochs(3);
  return training;
}

TwoTaskStudyOptions Options(const TrainingConfig& training = Training()) {
  return {.key = {"study", "test", "seed", "7"},
          .stream = std::make_shared<TestStream>(2),
          .network = SmallNetwork(),
          .train = [training](ImageView images,
                              int task) { return TrainPhase(training, std::move(images), task); },
          .multitask =
              [training](ImageView images) { return TrainPhase(training, std::move(images), 0); },
          .points = 5,
          .curvature_images = 20,
          .random_directions = 3,
          .lanczos_products = 4,
          .seed = kSeed};
}

std::unique_ptr<Study> MakeStudy(TwoTaskStudyOptions options = Options()) {
  return Study::Create(std::move(options)).value();
}

// A unit that has done `steps` steps, or all.
template <typename Unit>
std::unique_ptr<Unit> After(std::unique_ptr<Unit> unit, int64_t steps = -1) {
  const absl::Status status = unit->Advance(steps < 0 ? unit->plan().steps : steps);
  EXPECT_TRUE(status.ok()) << status;
  return unit;
}

// By metric, or metric_solution.
std::map<std::string, double> Measurements(const Study& study) {
  std::map<std::string, double> values;
  for (const population::Measurement& m : study.Results().measurements) {
    const std::string name = absl::StrCat(m.metric, m.method.empty() ? "" : "_", m.method);
    EXPECT_TRUE(values.emplace(name, m.value).second) << name;
  }
  return values;
}

const population::Curve& CurveOf(const population::UnitResults& results, absl::string_view quantity,
                                 const Study::Line& line) {
  const std::string name = Study::CurveName(quantity, line);
  for (const population::Curve& curve : results.curves) {
    if (curve.name == name && curve.method == Study::Name(line.to)) return curve;
  }
  ADD_FAILURE() << name;
  return results.curves[0];
}

// Mean loss in double, and the accuracy.
std::pair<double, double> Evaluated(nn::ConstRow<double> row, const ImageView& view) {
  const nn::Network network = SmallNetwork();
  nn::Workspace<double> workspace(network, view.size());
  const std::vector<double> weights(view.size(), 1.0 / view.size());
  std::pair<double, double> result;
  ForEachBatch(view, view.size(), [&](const data::Batch& batch, std::span<const int32_t> labels) {
    network.Forward<double>(row, batch, workspace);
    for (int64_t r = 0; r < view.size(); ++r) {
      const double* z = workspace.output().row(r);
      result.second += std::max_element(z, z + kClasses) - z == labels[r];
    }
    result.first = nn::SoftmaxCrossEntropy<double>(workspace.output(), labels, weights,
                                                   workspace.output_gradient());
  });
  result.second /= view.size();
  return result;
}

nn::Rows<double> PointBetween(nn::ConstRow<float> from, nn::ConstRow<float> to, double alpha) {
  nn::Rows<double> point(1, std::ssize(from));
  for (int64_t i = 0; i < point.size(); ++i) {
    point.row(0)[i] = (1 - alpha) * double{from[i]} + alpha * double{to[i]};
  }
  return point;
}

double Length(nn::ConstRow<float> from, nn::ConstRow<float> to) {
  double squares = 0;
  for (size_t i = 0; i < from.size(); ++i) squares += std::pow(double{from[i]} - double{to[i]}, 2);
  return std::sqrt(squares);
}

std::unique_ptr<TaskUnit> MakeTaskUnit(bool joint) {
  return TaskUnit::Create({.key = {"learner", "test", "seed", "7"},
                           .stream = std::make_shared<TestStream>(2),
                           .network = SmallNetwork(),
                           .learner =
                               [joint] {
                                 return joint ? MakeJoint(JointConfig(), Training())
                                              : MakeNaive(NaiveConfig(), Training());
                               },
                           .seed = kSeed})
      .value();
}

bool SameRow(nn::ConstRow<float> a, nn::ConstRow<float> b) { return std::ranges::equal(a, b); }

TEST(TwoTaskStudy, SequentialSolutionsAreThoseOfTheNaiveLearner) {
  const auto study = After(MakeStudy());
  // The first task takes 3 x 7 steps; a step of the second begins from its solution.
  const auto first = After(MakeTaskUnit(false), 21);
  EXPECT_TRUE(SameRow(study->rows().row(Study::kFirst), first->rows().row(0)));
  const auto both = After(MakeTaskUnit(false));
  EXPECT_TRUE(SameRow(study->rows().row(Study::kSequential), both->rows().row(0)));
  EXPECT_FALSE(SameRow(first->rows().row(0), both->rows().row(0)));
}

TEST(TwoTaskStudy, MultitaskFromTheSameInitIsTheJointLearner) {
  const auto study = After(MakeStudy());
  const auto joint = After(MakeTaskUnit(true));
  EXPECT_TRUE(SameRow(study->rows().row(Study::kSameInit), joint->rows().row(0)));
}

// From where they begin, on the batches of the joint learner.
TEST(TwoTaskStudy, TheOtherMultitaskSolutionsBeginElsewhere) {
  const auto study = After(MakeStudy());
  const nn::Network network = SmallNetwork();
  const TestStream stream(2);
  ImageView both = stream.Train(0);
  both.Append(stream.Train(1));
  const Phase phase = TrainPhase(Training(), both, 0);
  const random::Stream root(kSeed);
  for (const int solution : {Study::kFromFirst, Study::kOtherInit}) {
    nn::Rows<float> rows(1, network.layout().size());
    if (solution == Study::kFromFirst) {
      std::ranges::copy(study->rows().row(Study::kFirst), rows.row(0).begin());
    } else {
      network.Initialize<float>(root.Split("other_init"), rows.row(0));
    }
    PhaseTrainer trainer(network, phase, root.Split("order").Split(1).Split("train"), rows);
    EXPECT_EQ(trainer.steps(),
              3 * 13);  // As many passes over each image as one task after the other.
    for (int64_t step = 0; step < trainer.steps(); ++step) trainer.Step(step);
    EXPECT_TRUE(SameRow(study->rows().row(solution), rows.row(0))) << Study::Name(solution);
  }
}

TEST(TwoTaskStudy, MatchingComesNearerAndChangesNoFunction) {
  const auto study = After(MakeStudy());
  const auto first = study->rows().row(Study::kFirst);
  const auto other = study->rows().row(Study::kOtherInit);
  const auto matched = study->rows().row(Study::kMatched);
  EXPECT_LT(Length(first, matched), Length(first, other) - 0.01);
  const ImageView test = TestStream(2).Test(0);
  EXPECT_NEAR(Evaluated(PointBetween(first, matched, 1).row(0), test).first,
              Evaluated(PointBetween(first, other, 1).row(0), test).first, 1e-6);
  EXPECT_GE(Measurements(*study)["matching_sweeps"], 2);
}

TEST(TwoTaskStudy, LinesAreThoseOfInterpolatedRows) {
  const auto study = After(MakeStudy());
  const population::UnitResults results = study->Results();
  std::map<std::string, double> values = Measurements(*study);
  EXPECT_EQ(results.curves.size(), 2 * 11);
  EXPECT_EQ(results.curves[0].name, "Loss on task 1 along lines from the first solution");
  EXPECT_EQ(results.curves[0].method, "sequential");
  EXPECT_EQ(results.curves[21].name, "Accuracy on task 2 along lines from the sequential solution");
  EXPECT_EQ(results.curves[21].method, "multitask_from_first");
  double largest_barrier = 0;
  for (const Study::Line& line : Study::Lines()) {
    const ImageView test = TestStream(2).Test(line.task);
    const population::Curve& loss = CurveOf(results, "Loss", line);
    const population::Curve& accuracy = CurveOf(results, "Accuracy", line);
    EXPECT_THAT(loss.x, ::testing::ElementsAre(0, 0.25, 0.5, 0.75, 1));
    EXPECT_EQ(accuracy.x, loss.x);
    std::vector<double> expected;
    double barrier = 0;
    for (int k = 0; k < 5; ++k) {
      const auto [of_loss, of_accuracy] = Evaluated(
          PointBetween(study->rows().row(line.from), study->rows().row(line.to), 0.25 * k).row(0),
          test);
      EXPECT_NEAR(loss.y[k], of_loss, 1e-5);
      EXPECT_NEAR(accuracy.y[k], of_accuracy, 1e-12);
      expected.push_back(of_loss);
    }
    for (int k = 0; k < 5; ++k) {
      barrier = std::max(barrier, expected[k] - ((4 - k) * expected[0] + k * expected[4]) / 4);
    }
    const std::string to(Study::Name(line.to));
    if (line.from != Study::kFirst) {
      EXPECT_NEAR(values.at("barrier_sequential_to_" + to), barrier, 2e-5);
    } else {
      const std::string prefix = line.task == 0 ? "task_1_accuracy_" : "task_2_accuracy_";
      EXPECT_EQ(values.at(prefix + to), accuracy.y[4]);
      EXPECT_EQ(values.at(prefix + "first"), accuracy.y[0]);
      if (line.task == 0) {
        EXPECT_NEAR(values.at("barrier_" + to), barrier, 2e-5);
        EXPECT_NEAR(values.at("rise_" + to), std::ranges::max(expected) - expected[0], 2e-5);
      }
    }
    largest_barrier = std::max(largest_barrier, barrier);
  }
  EXPECT_GT(largest_barrier, 0.01);  // Not zeros compared with zeros.
}

TEST(TwoTaskStudy, DistancesAreThoseOfTheRows) {
  const auto study = After(MakeStudy());
  const population::Matrix matrix = study->Results().matrices.at(0);
  std::map<std::string, double> values = Measurements(*study);
  EXPECT_EQ(matrix.name, "Distance between solutions");
  EXPECT_THAT(matrix.names, ::testing::ElementsAre("first", "sequential", "from first", "same init",
                                                   "other init", "matched"));
  ASSERT_EQ(matrix.values.size(), Study::kSolutions);
  for (int a = 0; a < Study::kSolutions; ++a) {
    ASSERT_EQ(matrix.values[a].size(), Study::kSolutions);
    for (int b = 0; b < Study::kSolutions; ++b) {
      EXPECT_NEAR(*matrix.values[a][b], Length(study->rows().row(a), study->rows().row(b)), 1e-12);
    }
    if (a > 0) {
      EXPECT_EQ(values.at(absl::StrCat("distance_", Study::Name(a))), *matrix.values[0][a]);
    }
  }
}

// All training images of the first task, so that the loss is known; second differences in double.
TEST(TwoTaskStudy, CurvatureIsTheSecondDifferenceOfTheFirstTasksTrainingLoss) {
  TwoTaskStudyOptions options = Options();
  options.curvature_images = 1000;
  options.lanczos_products = 30;
  const auto study = After(MakeStudy(options));
  std::map<std::string, double> values = Measurements(*study);
  const ImageView train = TestStream(2).Train(0);
  const auto first = study->rows().row(Study::kFirst);
  const auto curvature = [&](nn::ConstRow<float> to) {
    const double step = 1e-3 / Length(first, to);
    const auto loss = [&](double alpha) {
      return Evaluated(PointBetween(first, to, alpha).row(0), train).first;
    };
    return (loss(step) - 2 * loss(0) + loss(-step)) / 1e-6;
  };
  for (int s = 1; s < Study::kSolutions; ++s) {
    const double expected = curvature(study->rows().row(s));
    const double measured = values.at(absl::StrCat("curvature_", Study::Name(s)));
    EXPECT_NEAR(measured, expected, 1e-5 + 1e-4 * std::abs(expected)) << Study::Name(s);
    EXPECT_GT(std::abs(measured), 1e-4);
    EXPECT_LT(measured, values.at("top_eigenvalue"));
  }
  double sum = 0;
  const nn::Network network = SmallNetwork();
  for (int k = 0; k < 3; ++k) {
    nn::Rows<float> to(1, network.layout().size());
    FillUnitGaussian<float>(network.layout(), random::Stream(kSeed).Split("directions").Split(k),
                            to.row(0));
    for (int64_t i = 0; i < to.size(); ++i) to.row(0)[i] += first[i];
    sum += curvature(to.row(0));
  }
  EXPECT_NEAR(values.at("curvature_random_direction"), sum / 3, 1e-5);
  EXPECT_LT(values.at("top_eigenvalue_residual"), 1e-3 * values.at("top_eigenvalue"));
}

TEST(TwoTaskStudy, CurvatureOfFewerImagesDiffers) {
  TwoTaskStudyOptions options = Options();
  const double few = Measurements(*After(MakeStudy(options)))["top_eigenvalue"];
  options.curvature_images = kTrain;
  EXPECT_NE(Measurements(*After(MakeStudy(options)))["top_eigenvalue"], few);
}

void ExpectEqualResults(const Study& a, const Study& b) {
  const population::UnitResults of_a = a.Results(), of_b = b.Results();
  ASSERT_EQ(of_a.measurements.size(), of_b.measurements.size());
  for (size_t i = 0; i < of_a.measurements.size(); ++i) {
    EXPECT_EQ(of_a.measurements[i].metric, of_b.measurements[i].metric);
    EXPECT_EQ(of_a.measurements[i].unit, of_b.measurements[i].unit);
    EXPECT_EQ(of_a.measurements[i].value, of_b.measurements[i].value)
        << of_a.measurements[i].metric;
  }
  ASSERT_EQ(of_a.curves.size(), of_b.curves.size());
  for (size_t i = 0; i < of_a.curves.size(); ++i) {
    EXPECT_EQ(of_a.curves[i].name, of_b.curves[i].name);
    EXPECT_EQ(of_a.curves[i].x, of_b.curves[i].x);
    EXPECT_EQ(of_a.curves[i].y, of_b.curves[i].y);
  }
  ASSERT_EQ(of_a.matrices.size(), of_b.matrices.size());
  for (size_t i = 0; i < of_a.matrices.size(); ++i) {
    EXPECT_EQ(of_a.matrices[i].values, of_b.matrices[i].values);
  }
}

TEST(TwoTaskStudy, ResultsDoNotDependOnHowItIsAdvanced) {
  const auto whole = After(MakeStudy());
  for (const int64_t chunk : {1, 7, 50}) {
    const auto study = MakeStudy();
    while (!study->finished()) ASSERT_TRUE(study->Advance(chunk).ok());
    EXPECT_TRUE(std::ranges::equal(study->rows().all(), whole->rows().all()));
    ExpectEqualResults(*study, *whole);
  }
}

// With Adam, whose steps depend on their number, too.
TEST(TwoTaskStudy, IsSavedAndLoadedBetweenAnyTwoSteps) {
  TwoTaskStudyOptions options = Options();
  options.train = [](ImageView images, int task) {
    Phase phase = TrainPhase(Training(), std::move(images), task);
    phase.optimizer = {.kind = optim::OptimizerKind::kAdam, .learning_rate = 0.01};
    return phase;
  };
  const auto whole = After(MakeStudy(options));
  const std::string end = whole->Save().value();
  const auto running = MakeStudy(options);
  // Loaded again and again, from whatever it was doing.
  const auto used = After(MakeStudy(options), 30);
  for (int64_t step = 0; step <= running->plan().steps; ++step) {
    const std::string state = running->Save().value();
    const auto fresh = MakeStudy(options);
    for (Study* study : {fresh.get(), used.get()}) {
      const absl::Status status = study->Load(state);
      ASSERT_TRUE(status.ok()) << status << " after " << step;
      ASSERT_EQ(study->steps_done(), step);
      ASSERT_EQ(study->Save().value(), state) << step;
      ASSERT_TRUE(study->Advance(study->plan().steps).ok());
      ASSERT_EQ(study->Save().value(), end) << step;
    }
    ASSERT_EQ(used->TakeEvents().size(), fresh->TakeEvents().size()) << step;
    ASSERT_TRUE(used->Load(state).ok());
    ASSERT_TRUE(used->Advance(step % 40).ok());  // With events that nobody takes.
    ExpectEqualResults(*fresh, *whole);
    ASSERT_TRUE(running->Advance(1).ok());
  }
}

TEST(TwoTaskStudy, ForeignAndDamagedStatesAreRefused) {
  const auto study = MakeStudy();
  const auto refused = [&](const std::string& state, const char* message) {
    const absl::Status status = study->Load(state);
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
    EXPECT_FALSE(status.ok());
  };
  refused("", "");
  const std::string at_end = After(MakeStudy())->Save().value();
  refused(at_end.substr(0, at_end.size() / 2), "");

  TwoTaskStudyOptions options = Options();
  options.key.replicate = "8";
  refused(After(MakeStudy(options), 3)->Save().value(), "not a state of study.test.seed.7 but of");
  const auto belongs = "does not belong to this configuration";
  options = Options();
  options.points = 6;
  refused(After(MakeStudy(options))->Save().value(), belongs);
  options = Options();
  options.random_directions = 4;
  refused(After(MakeStudy(options))->Save().value(), belongs);
  options = Options();
  options.network = *nn::Network::Create(nn::MultilayerPerceptron(6, {20}, kClasses));
  refused(After(MakeStudy(options), 3)->Save().value(), belongs);
  options.network = *nn::Network::Create(nn::MultilayerPerceptron(6, {2}, kClasses));
  refused(After(MakeStudy(options))->Save().value(), belongs);
  TrainingConfig without_momentum = Training();
  without_momentum.set_momentum(0);
  refused(After(MakeStudy(Options(without_momentum)), 3)->Save().value(), belongs);

  // One number at a time.
  const record::SafetensorsFile file = record::SafetensorsFile::Parse(at_end).value();
  const auto changed = [&](const std::string& name, size_t index, double value) {
    record::SafetensorsWriter writer;
    for (const auto& [tensor, info] : file.tensors()) {
      if (info.dtype == record::DType::kF64) {
        std::vector<double> values = file.Read<double>(tensor).value();
        if (tensor == name) values.at(index) = value;
        EXPECT_TRUE(writer.Add<double>(tensor, info.shape, values).ok());
      } else if (info.dtype == record::DType::kI64) {
        std::vector<int64_t> values = file.Read<int64_t>(tensor).value();
        if (tensor == name) values.at(index) = static_cast<int64_t>(value);
        EXPECT_TRUE(writer.Add<int64_t>(tensor, info.shape, values).ok());
      } else {
        EXPECT_TRUE(writer.Add<float>(tensor, info.shape, file.Read<float>(tensor).value()).ok());
      }
    }
    writer.SetMetadata("unit", "study.test.seed.7");
    return writer.Finish().value();
  };
  EXPECT_TRUE(study->Load(changed("", 0, 0)).ok());
  refused(changed("counts", 0, -1), belongs);
  refused(changed("counts", 0, 1e6), belongs);
  refused(changed("counts", 0, 100), belongs);
  refused(changed("counts", 1, -1), belongs);
  refused(changed("sums", 0, -1), belongs);
  refused(changed("sums", 0, 1e30), belongs);
  refused(changed("sums", 2, NAN), belongs);
  refused(changed("paths", 3, HUGE_VAL), belongs);
  refused(changed("paths", 7, 1.5), belongs);  // An accuracy.
  refused(changed("distances", 1, NAN), belongs);
  refused(changed("curvatures", 1, NAN), belongs);
}

TEST(TwoTaskStudy, ThePlanIsWhatIsDone) {
  const auto study = MakeStudy();
  const population::UnitPlan plan = study->plan();
  // 3 epochs of 7, 7, 13, 13 and 13 batches; the matching, 11 lines, 5 + 3 directions, Lanczos.
  EXPECT_EQ(plan.steps, 3 * (7 + 7 + 3 * 13) + 1 + 11 + 8 + 1);
  // Multiply-adds an image: 30, then 20 + 12; a training step takes no gradient of inputs.
  EXPECT_EQ(plan.training_flops, 2.0 * 3 * (2 * 50 + 3 * 100) * (2 * 30 + 3 * 32));
  const double lines = 2.0 * (5 * 20 + 6 * 21) * (2 * 30 + 5 * 32);
  const double products = 2.0 * (8 + 4) * 20 * (3 * 30 + 8 * 32);
  EXPECT_EQ(plan.evaluation_flops, lines + products);
  EXPECT_EQ(plan.replay_flops, 0);
  EXPECT_GT(plan.memory_bytes,
            6.0 * sizeof(float) * static_cast<double>(SmallNetwork().layout().size()));

  double last = 0;
  EXPECT_EQ(study->progress(), 0);
  for (int64_t step = 0; step < plan.steps; ++step) {
    ASSERT_TRUE(study->Advance(1).ok());
    EXPECT_EQ(study->steps_done(), step + 1);
    EXPECT_GE(study->progress(), last);
    EXPECT_LE(study->progress(), 1);
    EXPECT_EQ(study->progress() == 1, step + 1 == plan.steps);
    last = study->progress();
  }
  EXPECT_EQ(last, 1);
  EXPECT_TRUE(study->finished());
  // Without the shortcut for finished units: what was done is what was planned.
  const record::SafetensorsFile file =
      record::SafetensorsFile::Parse(study->Save().value()).value();
  EXPECT_EQ(file.Read<double>("sums").value()[0], plan.total_flops());
  const auto values = Measurements(*study);
  EXPECT_EQ(values.at("gradient_passes"), 3 * (7 + 7 + 3 * 13));
  EXPECT_EQ(values.at("gradient_images"), 3 * (2 * 50 + 3 * 100));
}

TEST(TwoTaskStudy, EventsTellWhatWasMeasured) {
  const auto study = After(MakeStudy());
  std::map<std::string, int> names;
  for (const population::Event& event : study->TakeEvents()) {
    EXPECT_GE(event.step, 1);
    EXPECT_LE(event.step, study->plan().steps);
    for (const auto& [name, value] : event.values) {
      ++names[name];
      if (name == "first_loss") {
        EXPECT_EQ(event.step, 21);
      }
      if (name == "top_eigenvalue") {
        EXPECT_EQ(event.step, study->plan().steps);
        EXPECT_EQ(value, Measurements(*study)["top_eigenvalue"]);
      }
    }
  }
  EXPECT_EQ(names["multitask_other_init_loss"], 1);
  EXPECT_EQ(names["barrier_first_to_sequential"], 2);
  EXPECT_EQ(names["task"], 11);
  EXPECT_EQ(names["curvature_sequential"], 1);
  EXPECT_EQ(names["curvature_random"], 3);
  EXPECT_TRUE(study->TakeEvents().empty());
}

TEST(TwoTaskStudy, ResultsStayWhenTheMemoryIsGivenBack) {
  const auto study = After(MakeStudy());
  const auto other = After(MakeStudy());
  study->Release();
  ExpectEqualResults(*study, *other);
}

TEST(TwoTaskStudy, PhasesWithoutStepsOnlyBegin) {
  TwoTaskStudyOptions options = Options();
  options.train = [](ImageView images, int task) {
    Phase phase = TrainPhase(Training(), std::move(images), task);
    if (task == 1) phase.epochs = 0;
    return phase;
  };
  const auto study = MakeStudy(options);
  EXPECT_EQ(study->plan().steps, 3 * (7 + 3 * 13) + 1 + 11 + 8 + 1);
  ASSERT_TRUE(study->Advance(21).ok());
  EXPECT_TRUE(SameRow(study->rows().row(Study::kFirst), study->rows().row(Study::kSequential)));
  // There is no direction then to a solution that is the first.
  const absl::Status status = study->Advance(study->plan().steps);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("curvature at \"first\" towards sequential: the direction has length 0"));
}

TEST(TwoTaskStudy, ALossThatIsNotANumberEndsIt) {
  TrainingConfig training = Training();
  training.set_learning_rate(1e38);
  const auto study = MakeStudy(Options(training));
  const absl::Status status = study->Advance(study->plan().steps);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("while training for the solution \"first\", step"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("below 1e+38"));
}

TEST(TwoTaskStudy, WhatDoesNotFitIsRefused) {
  const auto refused = [](TwoTaskStudyOptions options) {
    const absl::Status status = Study::Create(std::move(options)).status();
    EXPECT_FALSE(status.ok());
    return std::string(status.message());
  };
  TwoTaskStudyOptions options = Options();
  options.stream = std::make_shared<TestStream>(1);
  EXPECT_THAT(refused(options), HasSubstr("needs two"));
  options = Options();
  options.network = *nn::Network::Create(nn::MultilayerPerceptron(7, {5}, kClasses));
  EXPECT_THAT(refused(options), HasSubstr("7 inputs"));
  options = Options();
  options.network = *nn::Network::Create(
      {.inputs = 6, .blocks = {{.layers = {nn::Dense(4), nn::BatchNorm(), nn::Dense(kClasses)}}}});
  EXPECT_THAT(refused(options), HasSubstr("layer 1 (batch norm)"));
  // More tasks than two: the first two count.
  options = Options();
  options.stream = std::make_shared<TestStream>(3);
  const auto study = After(MakeStudy(options));
  EXPECT_TRUE(std::ranges::equal(study->rows().all(), After(MakeStudy())->rows().all()));
}

}  // namespace
}  // namespace perennial::continual
