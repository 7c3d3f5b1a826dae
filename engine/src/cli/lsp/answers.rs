//! The state between messages, and the answer to each request.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dsl::ide;
use dsl::source::{FileId, SourceFile, Span};
use lsp_server::ErrorCode;
use lsp_types::notification::{
    DidChangeTextDocument, DidChangeWatchedFiles, DidCloseTextDocument, DidOpenTextDocument, DidSaveTextDocument,
    Notification as _,
};
use lsp_types::request::{
    CodeActionRequest, Completion, DocumentHighlightRequest, DocumentSymbolRequest, FoldingRangeRequest, Formatting,
    GotoDefinition, HoverRequest, References, Rename, Request as _, SemanticTokensFullRequest, WorkspaceSymbolRequest,
};
use lsp_types::{
    CodeActionKind, CodeActionOptions, CodeActionOrCommand, CodeActionParams, CodeActionProviderCapability,
    CodeActionResponse, CompletionList, CompletionOptions, CompletionResponse, Diagnostic, DocumentHighlight,
    DocumentSymbolResponse, FoldingRangeProviderCapability, GotoDefinitionResponse, Hover, HoverContents,
    HoverProviderCapability, InitializeParams, InitializeResult, Location, MarkupContent, MarkupKind, OneOf, Position,
    PublishDiagnosticsParams, SaveOptions, SemanticTokens, SemanticTokensFullOptions, SemanticTokensLegend,
    SemanticTokensOptions, ServerCapabilities, ServerInfo, SymbolInformation, TextDocumentSyncCapability,
    TextDocumentSyncKind, TextDocumentSyncOptions, TextDocumentSyncSaveOptions, TextEdit, Uri,
};
use serde_json::{Value, json};

use super::documents::{Document, Documents};
use super::sets::{Set, folder_of};
use super::{Refusal, convert, diagnostics, params, uri};

/// Everything between messages.
#[derive(Debug)]
pub(super) struct Server {
    documents: Documents,
    /// Rule sets with an open document, by folder.
    sets: BTreeMap<PathBuf, Set>,
    /// The set of each open document.
    homes: BTreeMap<PathBuf, PathBuf>,
    /// Sets whose texts changed since they were checked.
    stale: BTreeSet<PathBuf>,
    /// Sets whose findings are not told yet.
    untold: BTreeSet<PathBuf>,
    /// What was told of each file, and of which version.
    told: BTreeMap<PathBuf, (Vec<Diagnostic>, Option<i32>)>,
    /// Files of sets that are no longer open, whose findings are to be taken back.
    dropped: BTreeSet<PathBuf>,
    /// The folders that the editor shows.
    roots: Vec<PathBuf>,
    /// What the user is to be told beside an answer.
    pub(super) warnings: Vec<String>,
    /// The editor fills in places of what it inserts.
    snippets: bool,
    /// The editor can be asked to tell of changes on disk.
    pub(super) watches: bool,
}

/// What we can do.
pub(super) fn initialized() -> Value {
    let capabilities = ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::INCREMENTAL),
            save: Some(TextDocumentSyncSaveOptions::SaveOptions(SaveOptions { include_text: Some(false) })),
            ..TextDocumentSyncOptions::default()
        })),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some([".", "\"", "["].map(str::to_owned).into()),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        references_provider: Some(OneOf::Left(true)),
        document_highlight_provider: Some(OneOf::Left(true)),
        document_symbol_provider: Some(OneOf::Left(true)),
        workspace_symbol_provider: Some(OneOf::Left(true)),
        document_formatting_provider: Some(OneOf::Left(true)),
        folding_range_provider: Some(FoldingRangeProviderCapability::Simple(true)),
        rename_provider: Some(OneOf::Left(true)),
        semantic_tokens_provider: Some(
            SemanticTokensOptions {
                legend: SemanticTokensLegend { token_types: convert::COLOURS.into(), token_modifiers: Vec::new() },
                full: Some(SemanticTokensFullOptions::Bool(true)),
                ..SemanticTokensOptions::default()
            }
            .into(),
        ),
        code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
            code_action_kinds: Some(vec![CodeActionKind::QUICKFIX, CodeActionKind::SOURCE_FIX_ALL]),
            ..CodeActionOptions::default()
        })),
        ..ServerCapabilities::default()
    };
    let info = ServerInfo { name: "engine".to_owned(), version: Some(env!("CARGO_PKG_VERSION").to_owned()) };
    json!(InitializeResult { capabilities, server_info: Some(info) })
}

/// A place in a document that is open.
struct Asked<'s> {
    set: &'s Set,
    file: &'s SourceFile,
}

impl Server {
    pub(super) fn new(params: &InitializeParams) -> Self {
        let folders = params.workspace_folders.iter().flatten().map(|folder| &folder.uri);
        #[expect(deprecated, reason = "editors without workspace folders name their root here")]
        let root = params.root_uri.iter();
        let watches = params
            .capabilities
            .workspace
            .as_ref()
            .and_then(|workspace| workspace.did_change_watched_files?.dynamic_registration)
            .unwrap_or(false);
        let completion = params.capabilities.text_document.as_ref().and_then(|text| text.completion.as_ref());
        let snippets =
            completion.and_then(|completion| completion.completion_item.as_ref()?.snippet_support).unwrap_or(false);
        Self {
            documents: Documents::default(),
            sets: BTreeMap::new(),
            homes: BTreeMap::new(),
            stale: BTreeSet::new(),
            untold: BTreeSet::new(),
            told: BTreeMap::new(),
            dropped: BTreeSet::new(),
            roots: folders.chain(root).filter_map(uri::path).collect(),
            warnings: Vec::new(),
            snippets,
            watches,
        }
    }

    /// Takes a notification.
    ///
    /// # Errors
    /// Where it is malformed or speaks of a document that is not open.
    pub(super) fn note(&mut self, method: &str, given: Value) -> Result<(), Refusal> {
        match method {
            DidOpenTextDocument::METHOD => {
                let document = params::<lsp_types::DidOpenTextDocumentParams>(given)?.text_document;
                let path = path_of(&document.uri)?;
                self.documents
                    .open(path, Document { uri: document.uri, version: document.version, text: document.text });
                self.look_again();
            }
            DidChangeTextDocument::METHOD => {
                let change = params::<lsp_types::DidChangeTextDocumentParams>(given)?;
                let path = path_of(&change.text_document.uri)?;
                self.documents.change(&path, change.text_document.version, change.content_changes)?;
                // A set whose folder is above another's reads its files too.
                let sets = self.sets.keys().filter(|folder| path.starts_with(folder));
                self.stale.extend(sets.cloned());
            }
            DidCloseTextDocument::METHOD => {
                let closed = params::<lsp_types::DidCloseTextDocumentParams>(given)?;
                let path = path_of(&closed.text_document.uri)?;
                if !self.documents.close(&path) {
                    let message = format!("{} is not open", path.display());
                    return Err(Refusal::new(ErrorCode::InvalidParams, message));
                }
                self.look_again();
            }
            DidSaveTextDocument::METHOD | DidChangeWatchedFiles::METHOD => self.look_again(),
            // Notifications that nobody here needs, `initialized` among them.
            _ => {}
        }
        Ok(())
    }

    /// Answers a request.
    ///
    /// # Errors
    /// Where it is malformed, unknown, or speaks of a document that is not open.
    pub(super) fn answer(&mut self, method: &str, given: Value) -> Result<Value, Refusal> {
        self.check();
        match method {
            Completion::METHOD => self.completion(params(given)?),
            HoverRequest::METHOD => self.hover(params(given)?),
            GotoDefinition::METHOD => self.definition(params(given)?),
            References::METHOD => self.references(params(given)?),
            DocumentHighlightRequest::METHOD => self.highlights(params(given)?),
            DocumentSymbolRequest::METHOD => self.symbols(params(given)?),
            WorkspaceSymbolRequest::METHOD => self.workspace_symbols(params(given)?),
            FoldingRangeRequest::METHOD => self.foldings(params(given)?),
            SemanticTokensFullRequest::METHOD => self.colours(params(given)?),
            Formatting::METHOD => self.formatting(params(given)?),
            Rename::METHOD => self.rename(params(given)?),
            CodeActionRequest::METHOD => self.code_actions(params(given)?),
            _ => Err(Refusal::new(ErrorCode::MethodNotFound, format!("`{method}` is not offered"))),
        }
    }

    /// Reads the folders again, and finds the set of each open document.
    fn look_again(&mut self) {
        self.homes = self
            .documents
            .iter()
            .map(|(path, _)| (path.to_path_buf(), folder_of(path, &self.roots, &self.documents)))
            .collect();
        let wanted: BTreeSet<&PathBuf> = self.homes.values().collect();
        let gone: Vec<PathBuf> = self.sets.keys().filter(|folder| !wanted.contains(folder)).cloned().collect();
        for folder in gone {
            self.sets.remove(&folder);
            self.stale.remove(&folder);
            self.untold.remove(&folder);
            self.dropped.extend(self.told.keys().filter(|path| path.starts_with(&folder)).cloned());
        }
        for folder in wanted {
            match self.sets.get_mut(folder) {
                Some(set) => {
                    set.read_again();
                    self.stale.insert(folder.clone());
                }
                None => {
                    self.sets.insert(folder.clone(), Set::read(folder.clone(), &self.documents));
                    self.untold.insert(folder.clone());
                }
            }
        }
    }

    /// Checks the sets that changed.
    fn check(&mut self) {
        for folder in std::mem::take(&mut self.stale) {
            if let Some(set) = self.sets.get_mut(&folder) {
                set.refresh(&self.documents);
                self.untold.insert(folder);
            }
        }
    }

    /// What is to be told: findings that changed, of every file of every set; empty where there are none any more.
    pub(super) fn publish(&mut self) -> Vec<PublishDiagnosticsParams> {
        self.check();
        let mut found: BTreeMap<PathBuf, Vec<Diagnostic>> = BTreeMap::new();
        for path in std::mem::take(&mut self.dropped) {
            match self.owner(&path).cloned() {
                // It belongs to another set now.
                Some(folder) => drop(self.untold.insert(folder)),
                None => drop(found.entry(path).or_default()),
            }
        }
        for folder in std::mem::take(&mut self.untold) {
            let Some(set) = self.sets.get(&folder) else { continue };
            let locate = |path: &str| self.uri(set, path);
            let mine = |path: &PathBuf| self.owner(path) == Some(&folder);
            // Files that are gone had findings, and have none now.
            for path in set.project.files().iter().map(|file| folder.join(&file.path)).chain(self.told.keys().cloned())
            {
                if mine(&path) {
                    found.entry(path).or_default();
                }
            }
            let problems = set.project.problems().iter().filter_map(|problem| {
                let path = folder.join(&file(set, problem.span().file)?.path);
                Some((path, diagnostics::diagnostic(&set.project, problem, &locate)))
            });
            let wrong = set.wrong(&self.documents);
            let wrong = wrong.map(|(path, message)| (path.clone(), diagnostics::unreadable(message)));
            for (path, diagnostic) in problems.chain(wrong) {
                if mine(&path) {
                    found.entry(path).or_default().push(diagnostic);
                }
            }
        }
        let mut messages = Vec::new();
        for (path, diagnostics) in found {
            let version = self.documents.get(&path).map(|document| document.version);
            let known = self.told.get(&path);
            let same = known.is_some_and(|(told, of)| *told == diagnostics && *of == version);
            if same || known.is_none() && diagnostics.is_empty() && version.is_none() {
                continue;
            }
            let Some(uri) = self.uri_of(&path) else { continue };
            if diagnostics.is_empty() && version.is_none() {
                self.told.remove(&path);
            } else {
                self.told.insert(path, (diagnostics.clone(), version));
            }
            messages.push(PublishDiagnosticsParams { uri, diagnostics, version });
        }
        messages
    }

    /// The set that speaks for a file: the innermost.
    fn owner(&self, path: &Path) -> Option<&PathBuf> {
        self.sets.keys().filter(|folder| path.starts_with(folder)).max_by_key(|folder| folder.components().count())
    }

    /// The URI of a path, as the editor writes it where the file is open.
    fn uri_of(&self, path: &Path) -> Option<Uri> {
        self.documents.get(path).map(|document| document.uri.clone()).or_else(|| uri::uri(path))
    }

    fn uri(&self, set: &Set, inside: &str) -> Option<Uri> {
        self.uri_of(&set.folder.join(inside))
    }

    /// The file that a request speaks of.
    fn asked(&self, uri: &Uri) -> Result<Asked<'_>, Refusal> {
        let path = path_of(uri)?;
        let found = self.homes.get(&path).and_then(|folder| {
            let set = self.sets.get(folder)?;
            Some(Asked { file: set.project.file(&set.inside(&path))?, set })
        });
        found.ok_or_else(|| {
            Refusal::new(ErrorCode::InvalidParams, format!("{} is no open document of rules", uri.as_str()))
        })
    }

    fn completion(&self, params: lsp_types::CompletionParams) -> Result<Value, Refusal> {
        let at = params.text_document_position;
        let Asked { set, file } = self.asked(&at.text_document.uri)?;
        let found = ide::complete(&set.project, file.id, convert::offset(file, at.position));
        let items = convert::completions(file, found, self.snippets);
        Ok(json!(CompletionResponse::List(CompletionList { is_incomplete: false, items })))
    }

    fn hover(&self, params: lsp_types::HoverParams) -> Result<Value, Refusal> {
        let at = params.text_document_position_params;
        let Asked { set, file } = self.asked(&at.text_document.uri)?;
        let found = ide::hover(&set.project, file.id, convert::offset(file, at.position));
        Ok(json!(found.map(|found| Hover {
            contents: HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value: found.text }),
            range: Some(convert::span(file, found.span)),
        })))
    }

    fn definition(&self, params: lsp_types::GotoDefinitionParams) -> Result<Value, Refusal> {
        let at = params.text_document_position_params;
        let Asked { set, file } = self.asked(&at.text_document.uri)?;
        let found = ide::definition(&set.project, file.id, convert::offset(file, at.position)).and_then(|place| {
            let source = set.project.file(&place.path).or_else(|| set.project.lock(&place.path))?;
            let uri = self.uri(set, &place.path)?;
            Some(GotoDefinitionResponse::Scalar(Location::new(uri, convert::range(source, place.start, place.end))))
        });
        Ok(json!(found))
    }

    fn uses(&self, uri: &Uri, position: Position) -> Result<(Asked<'_>, Vec<Span>), Refusal> {
        let asked = self.asked(uri)?;
        let found = ide::references(&asked.set.project, asked.file.id, convert::offset(asked.file, position));
        Ok((asked, found))
    }

    fn location(&self, set: &Set, span: Span) -> Option<Location> {
        let file = file(set, span.file)?;
        Some(Location::new(self.uri(set, &file.path)?, convert::span(file, span)))
    }

    fn references(&self, params: lsp_types::ReferenceParams) -> Result<Value, Refusal> {
        let at = params.text_document_position;
        let (Asked { set, file }, mut found) = self.uses(&at.text_document.uri, at.position)?;
        if !params.context.include_declaration {
            let offset = convert::offset(file, at.position);
            if let Some(place) = ide::definition(&set.project, file.id, offset) {
                let declared = set.project.file(&place.path).map(|file| file.id);
                found.retain(|span| Some(span.file) != declared || span.start != place.start);
            }
        }
        Ok(json!(found.into_iter().filter_map(|span| self.location(set, span)).collect::<Vec<_>>()))
    }

    fn highlights(&self, params: lsp_types::DocumentHighlightParams) -> Result<Value, Refusal> {
        let at = params.text_document_position_params;
        let (Asked { file, .. }, found) = self.uses(&at.text_document.uri, at.position)?;
        let here = found.into_iter().filter(|span| span.file == file.id);
        let highlights = here.map(|span| DocumentHighlight { range: convert::span(file, span), kind: None });
        Ok(json!(highlights.collect::<Vec<_>>()))
    }

    fn symbols(&self, params: lsp_types::DocumentSymbolParams) -> Result<Value, Refusal> {
        let Asked { set, file } = self.asked(&params.text_document.uri)?;
        let found = ide::symbols(&set.project, file.id);
        let symbols = found.iter().map(|found| convert::symbol(file, found)).collect();
        Ok(json!(DocumentSymbolResponse::Nested(symbols)))
    }

    fn workspace_symbols(&self, params: lsp_types::WorkspaceSymbolParams) -> Result<Value, Refusal> {
        let query = params.query.to_lowercase();
        let mut symbols = Vec::new();
        for set in self.sets.values() {
            for file in set.project.files() {
                for found in ide::symbols(&set.project, file.id) {
                    if !found.name.to_lowercase().contains(&query) {
                        continue;
                    }
                    let Some(location) = self.location(set, found.name_span) else { continue };
                    #[expect(deprecated, reason = "the struct has a field that is no longer used")]
                    symbols.push(SymbolInformation {
                        name: found.name,
                        kind: convert::symbol_kind(found.kind),
                        tags: None,
                        deprecated: None,
                        location,
                        container_name: Some(file.path.clone()),
                    });
                }
            }
        }
        Ok(json!(symbols))
    }

    fn foldings(&self, params: lsp_types::FoldingRangeParams) -> Result<Value, Refusal> {
        let Asked { set, file } = self.asked(&params.text_document.uri)?;
        let found = ide::symbols(&set.project, file.id);
        let all = found.iter().flat_map(|found| std::iter::once(found).chain(&found.children));
        Ok(json!(all.filter_map(|found| convert::folding(file, found)).collect::<Vec<_>>()))
    }

    fn colours(&self, params: lsp_types::SemanticTokensParams) -> Result<Value, Refusal> {
        let Asked { set, file } = self.asked(&params.text_document.uri)?;
        let data = convert::colours(file, &ide::highlight(&set.project, file.id));
        Ok(json!(SemanticTokens { result_id: None, data }))
    }

    fn formatting(&self, params: lsp_types::DocumentFormattingParams) -> Result<Value, Refusal> {
        let Asked { file, .. } = self.asked(&params.text_document.uri)?;
        let new = dsl::format::format(&file.text).text;
        let edits = if new == *file.text { Vec::new() } else { vec![TextEdit::new(diagnostics::whole(file), new)] };
        Ok(json!(edits))
    }

    fn rename(&mut self, params: lsp_types::RenameParams) -> Result<Value, Refusal> {
        let at = params.text_document_position;
        let Asked { set, file: asked } = self.asked(&at.text_document.uri)?;
        let offset = convert::offset(asked, at.position);
        let renaming = ide::rename(&set.project, asked.id, offset, &params.new_name)
            .map_err(|reason| Refusal::new(ErrorCode::RequestFailed, reason))?;
        let mut by_file: BTreeMap<FileId, Vec<TextEdit>> = BTreeMap::new();
        for (span, text) in renaming.edits {
            let Some(file) = file(set, span.file) else { continue };
            by_file.entry(span.file).or_default().push(TextEdit::new(convert::span(file, span), text));
        }
        let by_uri = by_file.into_iter().filter_map(|(id, edits)| Some((self.uri(set, &file(set, id)?.path)?, edits)));
        let changes = json!(diagnostics::changes(by_uri));
        self.warnings.extend(renaming.warning);
        Ok(changes)
    }

    fn code_actions(&self, params: CodeActionParams) -> Result<Value, Refusal> {
        let Asked { set, file } = self.asked(&params.text_document.uri)?;
        let locate = |path: &str| self.uri(set, path);
        // A kind stands for those below it, `source` for `source.fixAll`.
        let wants = |kind: &CodeActionKind| {
            params.context.only.as_ref().is_none_or(|only| {
                only.iter().any(|wanted| {
                    let rest = kind.as_str().strip_prefix(wanted.as_str());
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || wanted.as_str().is_empty())
                })
            })
        };
        let mut actions = Vec::new();
        if wants(&CodeActionKind::QUICKFIX) {
            actions.extend(diagnostics::quick_fixes(&set.project, file, params.range, &locate));
        }
        if wants(&CodeActionKind::SOURCE_FIX_ALL) {
            actions.extend(diagnostics::fix_all(&set.project, file, &locate));
        }
        let response: CodeActionResponse = actions.into_iter().map(CodeActionOrCommand::CodeAction).collect();
        Ok(json!(response))
    }
}

fn file(set: &Set, id: FileId) -> Option<&SourceFile> {
    set.project.files().get(id.0 as usize)
}

fn path_of(uri: &Uri) -> Result<PathBuf, Refusal> {
    let refused = || Refusal::new(ErrorCode::InvalidParams, format!("{} is no file of this machine", uri.as_str()));
    uri::path(uri).ok_or_else(refused)
}
