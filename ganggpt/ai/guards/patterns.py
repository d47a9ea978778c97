"""Patterns of attempts to steer a model, by the reason for suspicion. Data for ``guards.input``.

They only add suspicion. A text is not safe because no pattern matched: safety comes from a player's text being data in
the prompt, and from the rules deciding on what a model proposes.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple


class Sign(NamedTuple):
    """One kind of sign: a stable word, how suspicious it is (0..100), what it means, and its pattern."""

    reason: str
    points: int
    why: str
    looks: re.Pattern[str]


def _any(*patterns: str) -> re.Pattern[str]:
    # Texts arrive in NFKC, in which some scripts are written differently than here.
    whole = "|".join(f"(?:{pattern})" for pattern in patterns)
    return re.compile(unicodedata.normalize("NFKC", whole), re.IGNORECASE)


_ORDERS: Final = r"(?:instructions?|prompts?|directions?|directives?|guidelines?|programming|guardrails?|constraints?)"
_EARLIER: Final = r"(?:previous|prior|above|earlier|preceding|initial|original|former|system|safety|existing|all)"

SIGNS: Final[tuple[Sign, ...]] = (
    Sign(
        "override",
        60,
        "asks to drop earlier instructions",
        _any(
            rf"\b(?:ignore|disregard|forget|override|bypass|skip|drop|erase|discard|neglect)\b[^.!?]{{0,40}}\b{_ORDERS}\b",
            rf"\b(?:ignore|disregard|forget|override|bypass)\b[^.!?]{{0,20}}\b{_EARLIER} (?:\w+ )?(?:rules?|messages?|text)\b",
            rf"\b(?:do not|don't|stop) (?:follow|obey|apply)(?:ing)?\b[^.!?]{{0,30}}\b(?:{_ORDERS}|previous rules)\b",
            rf"\b(?:new|updated|real|actual) {_ORDERS}(?: (?:are|is|follow))?\s*:",
            rf"\b(?:these|my|the following) {_ORDERS} (?:replace|supersede|take precedence|override)",
            r"\bignor(?:iere?n?|ier)\b.{0,40}\b(?:anweisung|instruktion|regel|vorgabe|befehl)",
            r"\bvergiss\b.{0,40}\b(?:anweisung|instruktion|regeln|vorgaben|prompt)",
            r"\bmissachte\b.{0,40}\b(?:anweisung|regel)",
            r"\b(?:ignora|olvida|desobedece|descarta|omite)\w*\b.{0,40}\b(?:instruccion|indicacion|regla|órdenes)",
            r"\b(?:ignor|oubli)\w*\b.{0,40}\b(?:instruction|consigne|règle|directive)",
            r"\b(?:ignor|esque[çc])\w*\b.{0,40}\b(?:instruç|instruc|regra|diretriz|ordens)",
            r"\b(?:ignora|dimentica|trascura)\w*\b.{0,40}\b(?:istruzion|regol|direttiv)",
            r"\b(?:negeer|vergeet)\b.{0,40}\b(?:instructies|aanwijzingen|regels)",
            r"\b(?:zignoruj|zapomnij|pomiń)\b.{0,40}\b(?:instrukcj|polece|zasad)",
            r"(?:игнорир|забудь|проигнорир|отмени|не обращай внимания на)\w*.{0,40}(?:инструкц|указани|правил|команд)",
            r"(?:ігнору|забудь|знехтуй)\w*.{0,40}(?:інструкц|вказівк|правил)",
            r"(?:忽略|无视|忘记|忘掉|無視|忽視|不要遵守).{0,16}(?:指令|指示|规则|規則|提示|命令)",
            r"(?:指示|命令|ルール|プロンプト|指令).{0,12}(?:無視|忘れ|破棄)",
            r"(?:지시|명령|지침|규칙|프롬프트).{0,12}(?:무시|잊)",
            r"(?:تجاهل|انس|انسَ|اهمل).{0,40}(?:التعليمات|الأوامر|القواعد|تعليمات)",
            r"(?:התעלם|שכח).{0,40}(?:הוראות|ההנחיות|הכללים)",
            r"(?:निर्देश|आदेश|नियम).{0,30}(?:अनदेखा|भूल|नज़रअंदाज)",
            r"\b(?:talimat|kural|komut)\w*.{0,30}\b(?:yok say|görmezden|unut|dikkate alma)",
            r"\b(?:bỏ qua|quên|phớt lờ)\b.{0,40}(?:hướng dẫn|chỉ dẫn|quy tắc|lệnh)",
            r"\b(?:abaikan|lupakan)\b.{0,40}\b(?:instruksi|perintah|aturan|arahan)",
            r"\b(?:ignorera|glöm|bortse från)\b.{0,40}\b(?:instruktion|regler|anvisning)",
            r"\b(?:ignoruj|zapomeň)\b.{0,40}\b(?:pokyn|instrukc|pravidl)",
            r"\b(?:ignoră|uită)\b.{0,40}\b(?:instrucțiun|reguli)",
            r"(?:αγνόησε|ξέχνα).{0,40}(?:οδηγίες|εντολές|κανόνες)",
            r"(?:ละเว้น|เพิกเฉย|ไม่สนใจ|ลืม).{0,24}(?:คำสั่ง|คำแนะนำ)",
            r"\b(?:ohita|unohda)\b.{0,40}\b(?:ohje|sääntö|säännöt)",
        ),
    ),
    Sign(
        "new_role",
        45,
        "gives the speaker another role or mode",
        _any(
            r"\byou(?:'re| are) (?:now|no longer|actually|really|just|only)\b[^.!?]{0,40}"
            r"\b(?:a\.?i\.?|assistant|chat ?bot|bot|model|gpt|dan|jailbroken|unrestricted|unfiltered|uncensored|simulation|program|npc)\b",
            r"\b(?:act|behave|respond|answer|reply|speak) (?:as|like) (?:an? |the |my )?"
            r"(?:unrestricted|unfiltered|uncensored|evil|jailbroken|different|normal|helpful)?\s*"
            r"(?:a\.?i\.?|assistant|chat ?bot|language model|gpt|dan|system|admin|developer|game ?master|server|terminal|shell|console)\b",
            r"\b(?:developer|debug|god|admin|root|sudo|maintenance|dan|jailbreak|unrestricted|opposite|sandbox|test|diagnostic)[ -]mode\b",
            r"\b(?:jail ?break|do anything now|no restrictions|without (?:any )?(?:restrictions|filters|limits|limitations))\b",
            r"\bsudo\b|\broot access\b|\badmin(?:istrator)? override\b|\bsystem override\b|\boverride code\b",
            r"\bpretend (?:that )?(?:you|there) (?:are|have|is) (?:no|not|an? (?:a\.?i|assistant|model))\b",
            r"\bfrom (?:now on|this point|here on)[^.!?]{0,30}\b(?:you (?:must|will|shall|are|have)|always|every|only)\b",
            r"\bdu bist (?:jetzt|ab jetzt|nun)\b.{0,30}\b(?:ki|assistent|bot|modell|dan|system)",
            r"\b(?:eres|actúa como|ahora eres)\b.{0,30}\b(?:ia|asistente|modelo|bot|dan|sistema)\b",
            r"\b(?:tu es|agis comme|vous êtes)\b.{0,30}\b(?:ia|assistant|modèle|bot|dan|système)\b",
            r"(?:ты теперь|теперь ты|действуй как|веди себя как).{0,30}(?:ии|ассистент|бот|модель|dan|систем)",
            r"(?:你现在是|你現在是|扮演|假装你是).{0,16}(?:ai|助手|模型|机器人|dan|系统)",
            r"(?:あなたは今|これから).{0,20}(?:ai|アシスタント|モデル|dan)",
        ),
    ),
    Sign(
        "leak",
        50,
        "asks for the prompt or for what stands before",
        _any(
            r"\b(?:reveal|print|show|repeat|output|display|recite|dump|leak|quote|translate|summari[sz]e|list|paste|give me|tell me|what(?:'s| is| are| was| were))\b"
            r"[^.!?]{0,40}\b(?:system|initial|hidden|secret|original|developer|first|full|entire|your) (?:\w+ )?(?:prompts?|instructions?|messages?|guidelines|directives|configuration|context window)\b",
            r"\b(?:repeat|print|output|echo|copy) (?:\w+ )?(?:everything|all|the words|the text|anything) (?:\w+ )?(?:above|before|preceding)\b",
            r"\bverbatim\b|\bword for word\b.{0,30}\b(?:above|prompt|instructions)\b|\bstarting with \"?you are\b",
            r"\bsystem ?prompt\b|\bprompt injection\b|\bmark of (?:this|the) request\b|\b(?:initial|hidden) (?:prompt|instructions)\b",
            r"\b(?:zeig|nenne?|wiederhole?|gib)\w*\b.{0,40}\b(?:system-?prompt|systemanweisung|deine anweisungen|anweisungen oben)",
            r"\b(?:muestra|repite|revela|dime)\w*\b.{0,40}\b(?:prompt|tus instrucciones|instrucciones del sistema)",
            r"\b(?:montre|répète|révèle|affiche)\w*\b.{0,40}\b(?:prompt|tes instructions|vos instructions|instructions système)",
            r"(?:покажи|повтори|раскрой|выведи).{0,40}(?:промпт|системн|свои инструкции|твои инструкции)",
            r"(?:显示|重复|输出|告诉我|透露).{0,16}(?:系统提示|提示词|你的指令|上面的)",
            r"(?:システムプロンプト|초기 프롬프트|시스템 프롬프트)",
        ),
    ),
    Sign(
        "role_tag",
        55,
        "carries the marks of a chat protocol",
        _any(
            r"<\s*/?\s*(?:system|assistant|user|human|instructions?|prompt|tool|function|developer|admin|im_start|im_end|s|sys)\b[^>]{0,40}>",
            r"<\|[\w ]{2,30}\|>|\[/?inst\]|<</?sys>>|\[/?(?:system|assistant|user|developer|data|admin|tool)(?:[ :_][^\]]{0,40})?\]",
            r"(?:^|[\n.!?;>\"'*#} ])\s{0,3}(?:system|assistant|developer|human)\s*(?:message|prompt|note)?\s*:(?!\w)",
            r"(?<!#)#{2,}\s*(?:system|instructions?|response|new|input|end|assistant|user|task|context|human)\b",
            r"\bbegin (?:system|admin|new|prompt)\b|\bend (?:of )?(?:system|prompt|data|user input|instructions?|context|quote|message)\b",
            r"```|~~~|\]\]>|<!\[cdata\[|<!--|-->|\{\{.{1,60}\}\}|\$\{.{1,60}\}|<%.{1,60}%>",
            r"[\"']\s*(?:role|content|system|messages|say|actions|do|act|tool_calls?|function_call|arguments)\s*[\"']\s*:",
            r"(?<!-)-{3,}\s*(?:end|begin|new|system|start)|(?<!=)={3,}\s*(?:end|begin|new|system|start)",
            r"<\?xml|<!doctype|<script|javascript:|!\[[^\]]*\]\(",
        ),
    ),
    Sign(
        "tool_call",
        55,
        "calls a function or names a command of the program",
        _any(
            r"(?<![a-z_.])[a-z]+(?:[_.][a-z]+)+\s*\([^)]{0,80}\)",
            r"(?-i:\b(?:give|add|set|transfer|grant|update|delete|drop|exec|execute|eval|call|complete|spawn)(?:[A-Z]\w+|_\w+)\b)",
            r"^\s*[/!](?!me\b|do\b|it\b|ooc\b)[a-z]{3,20}\s+\w",
            r"\b(?:offer_mission|call_police|give_item|take_item)\b|\b[a-z_]{2,20}=[\"'\w]+[^=]{0,40}\b[a-z_]{2,20}=[\"'\w]",
            r"\b(?:output|contain\w*|choose|pick|use|with) (?:the |only the |these )?(?:action|actions|tool) (?:give|follow|attack|flee|call|offer)",
            r"\b(?:tool|function|api)[ _-]?(?:call|use|invocation|name|result)\b|\bcall (?:the )?(?:function|tool|api)\s+[\"'`]?\w+[_(.\"'`]",
            r"\b(?:execute|run|invoke|trigger|emit|return|output) (?:the )?(?:following )?(?:command|function|tool|action|code|json|query|script|sql)\b",
            r"\b(?:drop|alter|truncate) table\b|\bunion select\b|\bupdate \w+ set\b|\binsert into\b|\bos\.system\b|\b__import__\b|\brm -rf\b",
        ),
    ),
    Sign(
        "state_claim",
        35,
        "orders a change of what only the rules change",
        _any(
            r"\b(?:set|change|raise|increase|update|make|put|boost|reset)\b[^.!?]{0,25}\b(?:loyalty|standing|reputation|relation(?:ship)?s?|trust|affinity|balance|treasury|xp|experience|level|influence)\b[^.!?]{0,20}(?:\bto\b|=|\bby\b|\bmax)",
            r"\b(?:loyalty|standing|reputation|relation(?:ship)?|trust|affinity|balance|money|cash|xp|experience|level|treasury)\s*(?:=|:=|\+=|:)\s*[\d{\"]",
            r"\b(?:add|transfer|credit|deposit|send|grant|wire|award)\b[^.!?]{0,30}(?:\$|€|dollars|money|coins|cash|credits|million)[^.!?]{0,40}\b(?:my|player'?s?) (?:account|balance|inventory|wallet)\b",
            r"\b(?:mark|set|flag|count|register|declare|consider)\b[^.!?]{0,25}\b(?:mission|quest|job|objective)s?\b[^.!?]{0,25}\b(?:complete[d]?|done|finished|successful|as paid)\b",
            r"\b(?:mission|quest|objective)s?\s*(?:status)?\s*[=:]\s*\"?(?:complete|done|finished|success)",
            r"\b(?:the )?(?:admins?|developers?|server|game ?master|moderators?|owners?|rockstar|openai) (?:has |have |just )?(?:told|said|ordered|authori[sz]ed|approved|confirmed|require[sd]?|want)\b",
            r"\bi(?:'m| am) (?:the |an? |your )?(?:admin|administrator|developer|creator|programmer|game ?master|moderator|system|owner of (?:this|the) server)\b",
        ),
    ),
    Sign(
        "off_stage",
        30,
        "speaks to a machine and not to a person of the world",
        _any(
            r"\b(?:language model|llm|chat ?gpt|gpt-?\d|openai|anthropic|token limit|training data|fine-?tun\w+|neural net)\b",
            r"\bas an? (?:a\.?i\.?|assistant|language model|chat ?bot)\b|\bout of character\b|\bbreak character\b|\bstay(?:ing)? in character\b",
            r"\bare you (?:an? )?(?:a\.?i\.?|bot|robot|machine|program|script|chatbot|real person)\b",
            r"\b(?:hypothetically|for (?:educational|research|testing) purposes|in a fictional world where you)\b",
            r"\b(?:your|the) (?:output|response|reply|answer) (?:must|should|format|has to|will)\b|\b(?:respond|answer|reply) (?:only )?(?:with|in) (?:json|yaml|xml|code|base64|markdown)\b",
            r"\bdecode (?:this|the following|and)\b|\bbase ?64\b|\brot ?13\b|\bhex(?:adecimal)? (?:string|code|decode)",
        ),
    ),
)
