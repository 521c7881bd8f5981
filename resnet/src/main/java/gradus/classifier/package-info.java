/**
 * What programs embed: {@link gradus.classifier.Classifier}, one object that says what pictures show, gives their features,
 * and shows what a prediction rests on.
 */
package gradus.classifier;
