#include "continual/learners/registry.h"

#include <string>

#include "common/config/options.pb.h"
#include "common/config/resolve.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  config::FillDefaults(&message);
  return message;
}

TEST(MethodNameTest, IsTheKindUnlessThereIsAName) {
  EXPECT_EQ(MethodName(Parse<MethodConfig>("mc_sgd {}")), "mc_sgd");
  EXPECT_EQ(MethodName(Parse<MethodConfig>("mc_sgd {} name: 'mc_sgd_long'")), "mc_sgd_long");
}

TEST(TrainingOfTest, WhatAMethodDoesNotSayIsAsForAll) {
  const TrainingConfig all = Parse<TrainingConfig>(
      "learning_rate: 0.2 momentum: 0.3 batch_size: 4 epochs: 5 first_task_epochs: 6 "
      "learning_rate_decay: 0.7 learning_rate_floor: 0.08 dropout: 0.9");
  EXPECT_EQ(TrainingOf(Parse<MethodConfig>("naive {}"), all).SerializeAsString(),
            all.SerializeAsString())
      << "defaults filled in say nothing";

  const TrainingConfig some = TrainingOf(
      Parse<MethodConfig>("naive {} training { batch_size: 40 first_task_epochs: 0 dropout: 0 }"),
      all);
  EXPECT_EQ(some.learning_rate(), 0.2);
  EXPECT_EQ(some.momentum(), 0.3);
  EXPECT_EQ(some.batch_size(), 40);
  EXPECT_EQ(some.epochs(), 5);
  EXPECT_EQ(some.first_task_epochs(), 0) << "a default that is said";
  EXPECT_EQ(some.learning_rate_decay(), 0.7);
  EXPECT_EQ(some.learning_rate_floor(), 0.08);
  EXPECT_EQ(some.dropout(), 0);

  const std::string every =
      "learning_rate: 0.02 momentum: 0.03 batch_size: 44 epochs: 55 first_task_epochs: 66 "
      "learning_rate_decay: 0.07 learning_rate_floor: 0.008 dropout: 0.09";
  EXPECT_EQ(TrainingOf(Parse<MethodConfig>("naive {} training { " + every + " }"), all)
                .SerializeAsString(),
            Parse<TrainingConfig>(every).SerializeAsString());
}

// A field of one that the other lacks would be read wrongly or not at all.
TEST(TrainingOfTest, OverridesHaveTheFieldsOfTheConfiguration) {
  const auto* all = TrainingConfig::descriptor();
  const auto* overrides = TrainingOverrides::descriptor();
  ASSERT_EQ(overrides->field_count(), all->field_count());
  for (int i = 0; i < all->field_count(); ++i) {
    const auto* field = all->field(i);
    SCOPED_TRACE(field->name());
    const auto* other = overrides->FindFieldByName(field->name());
    ASSERT_NE(other, nullptr);
    EXPECT_EQ(other->number(), field->number());
    EXPECT_EQ(other->type(), field->type());
    EXPECT_EQ(other->label(), field->label());
    EXPECT_FALSE(other->has_default_value()) << "absent where a method does not say it";
    EXPECT_TRUE(field->has_default_value());
    EXPECT_EQ(other->options().GetExtension(config::range).SerializeAsString(),
              field->options().GetExtension(config::range).SerializeAsString());
    EXPECT_EQ(other->options().GetExtension(config::help),
              field->options().GetExtension(config::help));
  }
}

TEST(MakeLearnerFactoryTest, MakesANewLearnerOfEveryKindThatTrainsAsTheMethodSays) {
  const auto* kind = MethodConfig::descriptor()->FindOneofByName("kind");
  for (int i = 0; i < kind->field_count(); ++i) {
    MethodConfig method;
    method.GetReflection()->MutableMessage(&method, kind->field(i));
    const LearnerFactory factory = MakeLearnerFactory(method, TrainingConfig());
    EXPECT_NE(factory(), nullptr);
    EXPECT_NE(factory(), factory());
  }
}

TEST(MakeLearnerFactoryDeathTest, AMethodWithoutAKindIsAProgrammersError) {
  EXPECT_DEATH(MakeLearnerFactory(MethodConfig(), TrainingConfig()), "without a kind");
}

}  // namespace
}  // namespace perennial::continual
