//! Trees that ask few different questions, as of columns that hold only 0 and 1: what a row answers to all of them fits
//! into a word, and trees look only at that.

use std::hint::select_unpredictable;

use multiversion::multiversion;

use super::compared::Compared;
use super::tree_values::{FEATURE, LEAF, MISSING_LEFT, TreeNode};
use super::tree_walk::{self, Walked};

/// Trees, and what they ask.
pub(super) struct AnswerTrees<T> {
    questions: Vec<Question<T>>,
    /// Of a node the number of its question, in the lowest bits, and the node to the left, behind which stands that to
    /// the right; of a leaf its number and [`LEAF_NODE`].
    nodes: Vec<u32>,
}

/// Whether a row goes to the right.
struct Question<T> {
    threshold: T,
    feature: usize,
    missing_left: bool,
}

/// So many bits of a node number its question.
const QUESTION_BITS: u32 = 6;
const LEAF_NODE: u32 = 1 << 31;

/// With so many trees it pays to find the rows that answer alike.
const TREES_MIN: usize = 16;

impl<T: Compared> AnswerTrees<T> {
    /// The trees of these nodes; nothing if they are too many, or ask more than a word has bits.
    pub fn new(nodes: &[TreeNode<T>]) -> Option<AnswerTrees<T>> {
        if nodes.len() >= (LEAF_NODE >> QUESTION_BITS) as usize {
            return None;
        }
        let mut questions = Vec::new();
        let nodes = nodes.iter().map(|node| {
            if node.feature & LEAF != 0 {
                return Some(LEAF_NODE | node.child);
            }
            let number = Question::of(node).number(&mut questions)?;
            Some(node.child << QUESTION_BITS | number)
        });
        let nodes = nodes.collect::<Option<Vec<u32>>>()?;
        Some(AnswerTrees { questions, nodes })
    }

    /// What rows answer, for so many trees.
    pub fn ask(&self, columns: &[&[f64]], rows: usize, trees: usize) -> Asked {
        let mut words = vec![0; rows];
        answer(&self.questions, columns, &mut words);
        let places = (rows > 1 && trees >= TREES_MIN).then(|| keep_different(&mut words));
        Asked { words, places }
    }

    /// Calls `found` as [`tree_walk::each_leaf`], for the place of an answer instead of that of a row.
    pub fn each_leaf(&self, roots: &[u32], asked: &Asked, found: impl FnMut(usize, usize, u32)) {
        tree_walk::each_leaf(self, roots, asked.words.len(), |place| asked.words[place], found);
    }
}

/// What rows answer: a bit for each question, set if they go to the right.
pub(super) struct Asked {
    /// The answers.
    pub words: Vec<u64>,
    /// The place of each row's answer; if not given, that of the row.
    pub places: Option<Vec<u32>>,
}

impl<T: Compared> Question<T> {
    fn of(node: &TreeNode<T>) -> Question<T> {
        Question {
            threshold: node.threshold,
            feature: (node.feature & FEATURE) as usize,
            missing_left: node.feature & MISSING_LEFT != 0,
        }
    }

    /// Its number among those that are asked, of which it becomes one; nothing if a word has no bit left.
    fn number(self, asked: &mut Vec<Question<T>>) -> Option<u32> {
        let same = |other: &Question<T>| {
            self.feature == other.feature
                && self.missing_left == other.missing_left
                && self.threshold == other.threshold
        };
        let number = asked.iter().position(same).unwrap_or(asked.len());
        if number == asked.len() {
            asked.push(self);
        }
        (number < u64::BITS as usize).then_some(number as u32)
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn answer<T: Compared>(questions: &[Question<T>], columns: &[&[f64]], words: &mut [u64]) {
    for (number, question) in questions.iter().enumerate() {
        for (word, x) in words.iter_mut().zip(columns[question.feature]) {
            let x = T::value(*x);
            let left = (x <= question.threshold) | (x.is_missing() & question.missing_left);
            *word |= u64::from(!left) << number;
        }
    }
}

/// Keeps each word once, in their order, and returns where each is now.
fn keep_different(words: &mut Vec<u64>) -> Vec<u32> {
    let mut ordered: Vec<(u64, u32)> = words.iter().copied().zip(0..).collect();
    ordered.sort_unstable();
    let mut places = vec![0; words.len()];
    words.clear();
    for (word, row) in ordered {
        if words.last() != Some(&word) {
            words.push(word);
        }
        places[row as usize] = (words.len() - 1) as u32;
    }
    places
}

impl<T: Compared> Walked for AnswerTrees<T> {
    type Row<'a> = u64;

    #[inline(always)]
    fn next(&self, at: u32, word: u64) -> (u32, u32) {
        let node = self.nodes[at as usize];
        let right = word >> (node & ((1 << QUESTION_BITS) - 1)) & 1;
        let ended = node & LEAF_NODE;
        // Without branches, which would be foretold wrongly every other time.
        let next = (node >> QUESTION_BITS) + right as u32;
        (select_unpredictable(ended != 0, at, next), ended)
    }

    #[inline(always)]
    fn leaf(&self, at: u32) -> u32 {
        self.nodes[at as usize] & !LEAF_NODE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(threshold: f64, feature: u32, child: u32) -> TreeNode<f64> {
        TreeNode { threshold, feature, child }
    }

    #[test]
    fn more_questions_than_a_word_has_bits_are_not_asked_in_one() {
        for (count, fit) in [(64, true), (65, false)] {
            let nodes: Vec<TreeNode<f64>> = (0..count).map(|number| node(f64::from(number), 0, number + 1)).collect();
            assert_eq!(AnswerTrees::new(&nodes).is_some(), fit);
        }
        // The same question, and one that a missing value answers otherwise.
        let nodes = [node(1.0, 0, 1), node(1.0, 0, 3), node(1.0, MISSING_LEFT, 5), node(0.0, LEAF, 0)];
        assert_eq!(AnswerTrees::new(&nodes).unwrap().questions.len(), 2);
    }

    #[test]
    fn rows_that_answer_alike_are_asked_once() {
        let mut words = vec![7, 3, 7, 0, 3, 7];
        assert_eq!(keep_different(&mut words), [2, 1, 2, 0, 1, 2]);
        assert_eq!(words, [0, 3, 7]);
    }
}
