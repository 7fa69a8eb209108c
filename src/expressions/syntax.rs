//! From tokens to a tree, with Python's precedence; `&` and `|` bind as `and` and `or`, as in pandas.

use std::ops::Range;

use super::ExpressionError;
use super::token::{Token, tokens};

/// A part of an expression.
#[derive(Clone, Debug)]
pub(super) struct Expr {
    pub part: ExprKind,
    /// Its bytes in the text.
    pub span: Range<usize>,
    depth: usize,
}

#[derive(Clone, Debug)]
pub(super) enum ExprKind {
    /// A number; true if it is an integer of Python.
    Number(f64, bool),
    Text(String),
    Truth(bool),
    /// A column; true if it stands in backticks.
    Name(String, bool),
    List(Vec<Expr>),
    Call(String, Vec<Expr>),
    /// `+`, `-`, `~` or `not`.
    Unary(&'static str, Box<Expr>),
    /// An operator between two numbers, or `and` or `or`.
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// Comparisons in a row, each with what stands to its right.
    Compare(Box<Expr>, Vec<(&'static str, Expr)>),
}

/// Deeper trees are refused: each level takes some of the thread's stack.
const MAX_DEPTH: usize = 100;

/// The tree of a whole text.
pub(super) fn parse(text: &str) -> Result<Expr, ExpressionError> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let node = parser.disjunction()?;
    match parser.peek() {
        Token::End => Ok(node),
        _ => Err(parser.unexpected()),
    }
}

/// The name that a line assigns to, and the text behind `=` with its offset; `None` if the line is no assignment.
pub(super) fn target(line: &str) -> Result<Option<(String, Range<usize>, usize)>, ExpressionError> {
    let tokens = tokens(line)?;
    let [(Token::Name(name, _), span), (Token::Symbol("="), equals), ..] = &tokens[..] else { return Ok(None) };
    Ok(Some((name.clone(), span.clone(), equals.end)))
}

struct Parser {
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    /// Of brackets and operators in front of an operand.
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn span(&self) -> Range<usize> {
        self.tokens[self.at].1.clone()
    }

    /// Takes the next token if it is one of these symbols.
    fn take(&mut self, symbols: &[&str]) -> Option<(&'static str, Range<usize>)> {
        match *self.peek() {
            Token::Symbol(symbol) if symbols.contains(&symbol) => {
                self.at += 1;
                Some((symbol, self.tokens[self.at - 1].1.clone()))
            }
            _ => None,
        }
    }

    fn unexpected(&self) -> ExpressionError {
        let reason = match self.peek() {
            Token::End => "the expression ends here, where an operand must follow".to_owned(),
            Token::Symbol("=") => "`=` assigns; a comparison is written ==".to_owned(),
            Token::Symbol(symbol) => format!("`{symbol}` cannot stand here"),
            Token::Name(name, _) => format!("`{name}` cannot stand here without an operator before it"),
            Token::Number(..) | Token::Text(_) => "this cannot stand here without an operator before it".to_owned(),
        };
        ExpressionError::new(self.span(), reason)
    }

    fn deeper<T>(
        &mut self,
        inner: impl FnOnce(&mut Parser) -> Result<T, ExpressionError>,
    ) -> Result<T, ExpressionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(too_deep(self.span()));
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn disjunction(&mut self) -> Result<Expr, ExpressionError> {
        let mut left = self.conjunction()?;
        while self.take(&["or", "|"]).is_some() {
            left = binary("or", left, self.conjunction()?)?;
        }
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Expr, ExpressionError> {
        let mut left = self.negation()?;
        while self.take(&["and", "&"]).is_some() {
            left = binary("and", left, self.negation()?)?;
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Expr, ExpressionError> {
        match self.take(&["not"]) {
            Some((symbol, span)) => self.deeper(Parser::negation).and_then(|inner| unary(symbol, span.start, inner)),
            None => self.comparison(),
        }
    }

    fn comparison(&mut self) -> Result<Expr, ExpressionError> {
        let first = self.sum()?;
        let mut others = Vec::new();
        loop {
            let comparison = match self.take(&["==", "!=", "<=", ">=", "<", ">", "in", "not"]) {
                None => break,
                Some(("not", _)) if self.take(&["in"]).is_some() => "not in",
                Some(("not", _)) => {
                    self.at -= 1;
                    return Err(self.unexpected());
                }
                Some((symbol, _)) => symbol,
            };
            others.push((comparison, self.sum()?));
        }
        if others.is_empty() {
            return Ok(first);
        }
        let span = first.span.start..others[others.len() - 1].1.span.end;
        let deepest = others.iter().map(|(_, node)| node.depth).chain([first.depth]).max().unwrap_or(0);
        // A chain is evaluated as a row of `and`.
        let depth = deepest + others.len();
        Expr { part: ExprKind::Compare(Box::new(first), others), span, depth }.checked()
    }

    fn sum(&mut self) -> Result<Expr, ExpressionError> {
        let mut left = self.product()?;
        while let Some((symbol, _)) = self.take(&["+", "-"]) {
            left = binary(symbol, left, self.product()?)?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Expr, ExpressionError> {
        let mut left = self.signed()?;
        while let Some((symbol, _)) = self.take(&["*", "/", "//", "%"]) {
            left = binary(symbol, left, self.signed()?)?;
        }
        Ok(left)
    }

    fn signed(&mut self) -> Result<Expr, ExpressionError> {
        match self.take(&["+", "-", "~"]) {
            Some((symbol, span)) => self.deeper(Parser::signed).and_then(|inner| unary(symbol, span.start, inner)),
            None => self.power(),
        }
    }

    fn power(&mut self) -> Result<Expr, ExpressionError> {
        let base = self.operand()?;
        match self.take(&["**"]) {
            Some(_) => self.deeper(Parser::signed).and_then(|exponent| binary("**", base, exponent)),
            None => Ok(base),
        }
    }

    fn operand(&mut self) -> Result<Expr, ExpressionError> {
        let span = self.span();
        let token = self.peek().clone();
        self.at += 1;
        let part = match token {
            Token::Number(value, whole) => ExprKind::Number(value, whole),
            Token::Text(value) => ExprKind::Text(value),
            Token::Name(name, false) if name == "True" || name == "False" => ExprKind::Truth(name == "True"),
            Token::Name(name, quoted) => match self.take(&["("]) {
                Some((_, opening)) => {
                    let (arguments, end) = self.list(opening.start, ")")?;
                    return node(ExprKind::Call(name, arguments), span.start..end);
                }
                None => ExprKind::Name(name, quoted),
            },
            Token::Symbol("[") => {
                let (items, end) = self.list(span.start, "]")?;
                return node(ExprKind::List(items), span.start..end);
            }
            Token::Symbol("(") => return self.bracket(span.start),
            Token::Symbol(_) | Token::End => {
                self.at -= 1;
                return Err(self.unexpected());
            }
        };
        Ok(Expr { part, span, depth: 1 })
    }

    /// What stands in round brackets: a part of its own, or a list if there is a comma.
    fn bracket(&mut self, start: usize) -> Result<Expr, ExpressionError> {
        if let Some((_, end)) = self.take(&[")"]) {
            return node(ExprKind::List(Vec::new()), start..end.end);
        }
        let inner = self.deeper(Parser::disjunction)?;
        if let Some((_, end)) = self.take(&[")"]) {
            return Ok(Expr { span: start..end.end, ..inner });
        }
        if self.take(&[","]).is_none() {
            return Err(self.unclosed(start));
        }
        let (mut items, end) = self.list(start, ")")?;
        items.insert(0, inner);
        node(ExprKind::List(items), start..end)
    }

    /// Parts between commas up to a closing bracket, and where that ends.
    fn list(&mut self, start: usize, closing: &'static str) -> Result<(Vec<Expr>, usize), ExpressionError> {
        let mut items = Vec::new();
        loop {
            if let Some((_, end)) = self.take(&[closing]) {
                return Ok((items, end.end));
            }
            items.push(self.deeper(Parser::disjunction)?);
            if self.take(&[","]).is_none() && *self.peek() != Token::Symbol(closing) {
                return Err(self.unclosed(start));
            }
        }
    }

    fn unclosed(&self, start: usize) -> ExpressionError {
        match self.peek() {
            Token::End => ExpressionError::new(start..start + 1, "this bracket is not closed"),
            _ => self.unexpected(),
        }
    }
}

fn unary(symbol: &'static str, start: usize, inner: Expr) -> Result<Expr, ExpressionError> {
    let (span, depth) = (start..inner.span.end, inner.depth + 1);
    Expr { part: ExprKind::Unary(symbol, Box::new(inner)), span, depth }.checked()
}

fn binary(symbol: &'static str, left: Expr, right: Expr) -> Result<Expr, ExpressionError> {
    let (span, depth) = (left.span.start..right.span.end, left.depth.max(right.depth) + 1);
    Expr { part: ExprKind::Binary(symbol, Box::new(left), Box::new(right)), span, depth }.checked()
}

/// A node of a list or a call.
fn node(part: ExprKind, span: Range<usize>) -> Result<Expr, ExpressionError> {
    let deepest = match &part {
        ExprKind::List(items) | ExprKind::Call(_, items) => items.iter().map(|item| item.depth).max().unwrap_or(0),
        _ => 0,
    };
    Expr { part, span, depth: deepest + 1 }.checked()
}

impl Expr {
    /// Whether it is an integer of Python, which has no negative zero.
    pub fn is_integer(&self) -> bool {
        match &self.part {
            ExprKind::Number(_, whole) => *whole,
            ExprKind::Unary(_, inner) => inner.is_integer(),
            ExprKind::Binary("+" | "-" | "*" | "//" | "%", left, right) => left.is_integer() && right.is_integer(),
            _ => false,
        }
    }

    fn checked(self) -> Result<Expr, ExpressionError> {
        if self.depth > MAX_DEPTH { Err(too_deep(self.span)) } else { Ok(self) }
    }
}

fn too_deep(span: Range<usize>) -> ExpressionError {
    let reason = format!("more than {MAX_DEPTH} operators within each other");
    ExpressionError::new(span, reason).help("put a part of it in a column of its own, by eval before this step")
}
