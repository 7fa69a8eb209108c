//! All subtasks by their names. A new one is one file beside this one and one line here.

use super::entry::Entry;
use super::models::{
    Adwin, BoostedClassifier, BoostedRegressor, Classify, GaussianLearning, HalfSpaceTreesLearning,
    HoeffdingTreeClassifier, IsolationForest, KMeans, KMeansLearning, KNeighborsClassifier, KNeighborsRegressor,
    Learning, LinearClassifier, LinearRegressor, MlpClassifier, MlpRegressor, Model, OneClassSvm, Online,
    PassiveAggressiveClassifier, PassiveAggressiveRegressor, Pca, PcaLearning, Perceptron, Regress, Served,
    SgdClassification, SgdClassifier, SgdRegression, SgdRegressor, Svc, Svr, TreeClassifier, TreeRegressor,
};
use super::subtask::Subtask;
use super::{
    assign, astype, binarizer, clip, cumsum, diff, drop, drop_duplicates, dropna, eval, ewm, fillna, filter,
    function_transformer, interpolate, k_bins_discretizer, mask, max_abs_scaler, min_max_scaler, normalizer,
    one_hot_encoder, ordinal_encoder, pct_change, polynomial_features, power_transformer, prepare,
    quantile_transformer, query, rank, rename, replace, result, robust_scaler, rolling, round, shift, simple_imputer,
    standard_scaler, time_features, where_condition,
};

/// The subtasks that a program knows, by their names.
#[derive(Clone, Debug)]
pub struct Subtasks(Vec<Entry>);

impl Subtasks {
    /// Those that are built in: the published chain in its order, then the others.
    pub fn builtin() -> Subtasks {
        Subtasks(vec![prepare::ENTRY])
            .with::<drop_duplicates::DropDuplicates>("drop_duplicates")
            .with::<replace::Replace>("replace")
            .with::<interpolate::Interpolate>("interpolate")
            .with::<fillna::Fillna>("fillna")
            .with::<clip::Clip>("clip")
            .with::<dropna::Dropna>("dropna")
            .with::<standard_scaler::StandardScaler>("standard_scaler")
            .with::<min_max_scaler::MinMaxScaler>("min_max_scaler")
            .with::<max_abs_scaler::MaxAbsScaler>("max_abs_scaler")
            .with::<robust_scaler::RobustScaler>("robust_scaler")
            .with::<power_transformer::PowerTransformer>("power_transformer")
            .with::<quantile_transformer::QuantileTransformer>("quantile_transformer")
            .with::<normalizer::Normalizer>("normalizer")
            .with::<binarizer::Binarizer>("binarizer")
            .with_entry(result::ENTRY)
            .with::<rolling::Rolling>("rolling")
            .with::<diff::Diff>("diff")
            .with::<simple_imputer::SimpleImputer>("simple_imputer")
            .with::<k_bins_discretizer::KBinsDiscretizer>("k_bins_discretizer")
            .with::<polynomial_features::PolynomialFeatures>("polynomial_features")
            .with::<ordinal_encoder::OrdinalEncoder>("ordinal_encoder")
            .with::<one_hot_encoder::OneHotEncoder>("one_hot_encoder")
            .with::<function_transformer::FunctionTransformer>("function_transformer")
            .with::<query::Query>("query")
            .with::<eval::Eval>("eval")
            .with::<rename::Rename>("rename")
            .with::<drop::Drop>("drop")
            .with::<filter::Filter>("filter")
            .with::<assign::Assign>("assign")
            .with::<astype::Astype>("astype")
            .with::<round::Round>("round")
            .with::<where_condition::Where>("where")
            .with::<mask::Mask>("mask")
            .with::<shift::Shift>("shift")
            .with::<cumsum::Cumsum>("cumsum")
            .with::<pct_change::PctChange>("pct_change")
            .with::<ewm::Ewm>("ewm")
            .with::<rank::Rank>("rank")
            .with::<time_features::TimeFeatures>("time_features")
            .with_model::<Regress<LinearRegressor>>("linear_regression", "sklearn.linear_model.LinearRegression")
            .with_model::<Regress<LinearRegressor>>("ridge", "sklearn.linear_model.Ridge")
            .with_model::<Regress<LinearRegressor>>("lasso", "sklearn.linear_model.Lasso")
            .with_model::<Regress<LinearRegressor>>("elastic_net", "sklearn.linear_model.ElasticNet")
            .with_online::<SgdRegression<SgdRegressor>>("sgd_regressor", "sklearn.linear_model.SGDRegressor")
            .with_online::<SgdRegression<PassiveAggressiveRegressor>>(
                "passive_aggressive_regressor",
                "sklearn.linear_model.PassiveAggressiveRegressor",
            )
            .with_model::<Regress<LinearRegressor>>("linear_svr", "sklearn.svm.LinearSVR")
            .with_model::<Classify<LinearClassifier>>("logistic_regression", "sklearn.linear_model.LogisticRegression")
            .with_online::<SgdClassification<SgdClassifier>>("sgd_classifier", "sklearn.linear_model.SGDClassifier")
            .with_online::<SgdClassification<Perceptron>>("perceptron", "sklearn.linear_model.Perceptron")
            .with_online::<SgdClassification<PassiveAggressiveClassifier>>(
                "passive_aggressive_classifier",
                "sklearn.linear_model.PassiveAggressiveClassifier",
            )
            .with_model::<Classify<LinearClassifier>>("linear_svc", "sklearn.svm.LinearSVC")
            .with_model::<Regress<TreeRegressor<true>>>("decision_tree_regressor", "sklearn.tree.DecisionTreeRegressor")
            .with_model::<Classify<TreeClassifier<true>>>(
                "decision_tree_classifier",
                "sklearn.tree.DecisionTreeClassifier",
            )
            .with_model::<Regress<TreeRegressor<true>>>("extra_tree_regressor", "sklearn.tree.ExtraTreeRegressor")
            .with_model::<Classify<TreeClassifier<true>>>("extra_tree_classifier", "sklearn.tree.ExtraTreeClassifier")
            .with_model::<Regress<TreeRegressor<false>>>(
                "random_forest_regressor",
                "sklearn.ensemble.RandomForestRegressor",
            )
            .with_model::<Classify<TreeClassifier<false>>>(
                "random_forest_classifier",
                "sklearn.ensemble.RandomForestClassifier",
            )
            .with_model::<Regress<TreeRegressor<false>>>(
                "extra_trees_regressor",
                "sklearn.ensemble.ExtraTreesRegressor",
            )
            .with_model::<Classify<TreeClassifier<false>>>(
                "extra_trees_classifier",
                "sklearn.ensemble.ExtraTreesClassifier",
            )
            .with_model::<Regress<BoostedRegressor>>(
                "gradient_boosting_regressor",
                "sklearn.ensemble.GradientBoostingRegressor",
            )
            .with_model::<Classify<BoostedClassifier>>(
                "gradient_boosting_classifier",
                "sklearn.ensemble.GradientBoostingClassifier",
            )
            .with_model::<Regress<BoostedRegressor>>(
                "hist_gradient_boosting_regressor",
                "sklearn.ensemble.HistGradientBoostingRegressor",
            )
            .with_model::<Classify<BoostedClassifier>>(
                "hist_gradient_boosting_classifier",
                "sklearn.ensemble.HistGradientBoostingClassifier",
            )
            .with_model::<IsolationForest>("isolation_forest", "sklearn.ensemble.IsolationForest")
            .with_online::<Adwin>("adwin", "river.drift.ADWIN")
            .with_online::<HalfSpaceTreesLearning>("half_space_trees", "river.anomaly.HalfSpaceTrees")
            .with_online::<HoeffdingTreeClassifier>("hoeffding_tree_classifier", "river.tree.HoeffdingTreeClassifier")
            .with_model::<KMeans>("k_means", "sklearn.cluster.KMeans")
            .with_online::<KMeansLearning>("mini_batch_k_means", "sklearn.cluster.MiniBatchKMeans")
            .with_model::<Pca>("pca", "sklearn.decomposition.PCA")
            .with_online::<PcaLearning>("incremental_pca", "sklearn.decomposition.IncrementalPCA")
            .with_online::<GaussianLearning>("gaussian_nb", "sklearn.naive_bayes.GaussianNB")
            .with_model::<Regress<MlpRegressor>>("mlp_regressor", "sklearn.neural_network.MLPRegressor")
            .with_model::<Classify<MlpClassifier>>("mlp_classifier", "sklearn.neural_network.MLPClassifier")
            .with_model::<Regress<Svr>>("svr", "sklearn.svm.SVR")
            .with_model::<Classify<Svc>>("svc", "sklearn.svm.SVC")
            .with_model::<OneClassSvm>("one_class_svm", "sklearn.svm.OneClassSVM")
            .with_model::<Regress<KNeighborsRegressor>>(
                "k_neighbors_regressor",
                "sklearn.neighbors.KNeighborsRegressor",
            )
            .with_model::<Classify<KNeighborsClassifier>>(
                "k_neighbors_classifier",
                "sklearn.neighbors.KNeighborsClassifier",
            )
    }

    /// Adds a subtask; it replaces one of the same name.
    pub fn with<T: Subtask>(self, name: &'static str) -> Subtasks {
        self.with_entry(Entry::of::<T>(name))
    }

    /// Adds a model that equals one of another library.
    pub fn with_model<M: Model>(self, name: &'static str, equals: &'static str) -> Subtasks {
        self.with_entry(Entry::of::<Served<M>>(name).equal_to(equals))
    }

    /// Adds a model that learns over the stream, too, as one of another library does.
    pub fn with_online<L: Learning>(self, name: &'static str, equals: &'static str) -> Subtasks {
        self.with_entry(Entry::of::<Online<L>>(name).equal_to(equals))
    }

    fn with_entry(mut self, entry: Entry) -> Subtasks {
        match self.0.iter_mut().find(|other| other.name == entry.name) {
            Some(other) => *other = entry,
            None => self.0.push(entry),
        }
        self
    }

    /// The entry of this name.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.name == name)
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }
}
