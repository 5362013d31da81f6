//! Models of the Open Neural Network Exchange: classifiers and regressors of tables.
