//! Building XML replies: nested elements with escaped text. Order is kept as written.

use quick_xml::escape::escape;

/// The children of an element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Xml(Vec<(String, Node)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Text(String),
    Children(Xml),
}

impl Xml {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// `<name>value</name>`.
    pub fn text(mut self, name: &str, value: impl ToString) -> Self {
        self.0.push((name.to_owned(), Node::Text(value.to_string())));
        self
    }

    /// `<name>value</name>` if there is a value.
    pub fn maybe(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// `<name>…</name>`.
    pub fn child(mut self, name: &str, children: Self) -> Self {
        self.0.push((name.to_owned(), Node::Children(children)));
        self
    }

    /// `<name><item>…</item><item>…</item></name>`; EC2's items are `item`, the query protocol's `member`.
    pub fn list(self, name: &str, item: &str, items: impl IntoIterator<Item = Self>) -> Self {
        let children = items.into_iter().map(|xml| (item.to_owned(), Node::Children(xml))).collect();
        self.child(name, Self(children))
    }

    /// `<name><item>text</item>…</name>`.
    pub fn texts(self, name: &str, item: &str, items: impl IntoIterator<Item = impl ToString>) -> Self {
        let children = items.into_iter().map(|text| (item.to_owned(), Node::Text(text.to_string()))).collect();
        self.child(name, Self(children))
    }

    /// EC2's `tagSet`.
    pub fn tag_set<'a>(self, tags: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        self.list("tagSet", "item", tags.into_iter().map(|(k, v)| Self::new().text("key", k).text("value", v)))
    }

    /// Appends another's children.
    pub fn extend(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Appends the markup.
    pub fn write(&self, out: &mut String) {
        for (name, node) in &self.0 {
            out.push('<');
            out.push_str(name);
            out.push('>');
            match node {
                Node::Text(text) => out.push_str(&escape(text.as_str())),
                Node::Children(children) => children.write(out),
            }
            out.push_str("</");
            out.push_str(name);
            out.push('>');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_order_kept() {
        let mut out = String::new();
        Xml::new().text("b", "<&>").texts("a", "item", ["1", "2"]).maybe("c", None::<&str>).write(&mut out);
        assert_eq!(out, "<b>&lt;&amp;&gt;</b><a><item>1</item><item>2</item></a>");
    }
}
