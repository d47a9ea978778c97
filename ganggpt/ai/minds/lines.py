"""Lines for everybody, by act and tone. A row of the tables is ``act tone: alternative | alternative | …``.

Tones: warm, even, cold; ``any`` stands for all three. Slots in braces are filled by the scripted mind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TONES: Final = ("warm", "even", "cold")


def table(text: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """Read a table of lines: key → tone → alternatives."""
    read: dict[str, dict[str, tuple[str, ...]]] = {}
    for row in filter(None, map(str.strip, text.splitlines())):
        head, _, tail = row.partition(": ")
        key, tone = head.split()
        alternatives = tuple(part.strip() for part in tail.split(" | "))
        for each in TONES if tone == "any" else (tone,):
            known = read.setdefault(key, {})
            known[each] = (*known.get(each, ()), *alternatives)
    return read


LINES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = table("""
greet warm: Good to see you, {you}. | Well, look who is back in {place}. | Come closer, {you}, you are welcome here.
greet warm: There you are, {you}. | You picked a good moment, {you}.
greet even: What brings you to {place}? | Yes? | You looking for somebody, {you}? | Something you need?
greet cold: What do you want? | Make it short. | You again. | I was having a better day a minute ago.
bye warm: Take care out there, {you}. | Come back soon. | Until next time, {you}.
bye warm: Keep your head down, and come back whole.
bye even: See you around. | Mind how you go. | Right. Later, then. | So long.
bye cold: Good. Go. | Do not hurry back. | The street is that way. | Finally.
answer warm: I hear you, {you}. | That makes sense to me. | You can always tell me such things.
answer warm: I will keep that in mind.
answer warm: Say no more, I understand. | Between you and me, I like the way you think.
answer even: Is that so. | I hear what you say. | Could be. {place} has seen stranger things.
answer even: All right. I will think about it.
answer even: Everybody has a story in {place}. | Fair enough.
answer cold: If you say so. | And why tell me? | I did not ask. | Talk is cheap around {place}.
wonder warm: Good question, {you}. I wish I knew. | Let me think about that one. | For you I will ask around.
wonder even: Hard to say. | I could not tell you. | Who knows. Ask me something easier. | I would have to guess.
wonder cold: Ask somebody who cares. | Do I look like an information desk? | I would not tell you if I knew.
welcome warm: Any time, {you}. | You would do the same for me. | Do not mention it.
welcome even: Sure. | It was nothing. | No trouble.
welcome cold: Save it. | Thanks do not pay my rent. | Hm.
insulted warm: Ouch. That from you, {you}? | Careful, {you}. I thought better of us.
insulted warm: I will pretend I did not hear that.
insulted even: Watch your mouth. | Say that again, slower. | There was no call for that. | Big words for {place}.
insulted cold: One more word like that and we are done. | I expected nothing better from you.
insulted cold: Keep talking. I keep count.
flattered warm: You know how to make a person smile, {you}. | Keep that up and I will start to believe it.
flattered warm: Same to you, {you}.
flattered even: Kind of you to say. | Well. Thank you. | I do not hear that often in {place}.
flattered cold: Sweet words. What do you want? | Flattery will not mend it. | I will believe it when I see it.
forgive warm: Forget it, {you}. Water under the bridge. | We all have bad days. It is fine.
forgive even: Fine. Let us leave it at that. | Apology taken. Do not make me need another.
forgive cold: Sorry is a word. Show me. | It will take more than that. | I heard you. I have not decided yet.
introduce warm: {Speaker}, {role}. But you can count me as a friend. | I am {Speaker}, the {role}. Glad you ask.
introduce even: {Speaker}. I am the {role} here in {place}. | Name is {Speaker}, {role} by trade.
introduce even: {Speaker}. Ask anybody in {place}.
introduce cold: {Speaker}. That is all you get. | The name is {Speaker}, and I do not need yours.
brush_off any: I have nothing to say to you. | Not after what you did. | Walk on. | We are not talking, you and I.
brush_off any: You have some nerve to stand here. | Find somebody else to bother.
console warm: I am sorry, {you}. Truly. | That is hard, {you}. Sit down a moment.
console warm: Come here. I am so sorry to hear that.
console warm: Nobody should go through that alone. I am here, {you}.
console even: I am sorry to hear that. | That is bad. I mean it. | Damn. {place} has no mercy.
console even: Bad news travels too fast here.
console cold: Hard luck. | That happens to people. | And what do you want me to do about it?
rejoice warm: Now that is good to hear, {you}! | You earned it, {you}. | That calls for a drink. I am happy for you.
rejoice even: Good for you. | Well, somebody has a good day. | Glad to hear it. | About time {place} had good news.
rejoice cold: Good for you. Does it concern me? | Lucky you. | Enjoy it while it lasts.
thank warm: For me? {Item}? You are too good to me, {you}. | {Item}! I will not forget this, {you}.
thank even: {Item}. I can use that. Thank you. | That is decent of you. {Item}, then.
thank even: I accept. {Item} is not nothing.
thank cold: {Item}. So you think that settles it. | I take it. It changes less than you hope.
thank cold: Put {item} there. We will see.
delight warm: {Item}! How did you know? You made my week, {you}. | Oh, {item}! You remembered what I like.
delight even: {Item}? Now you have my attention. | Well, well: {item}. You have taste.
delight even: This is more than I expected. {Item}!
delight cold: {Item}. I did not expect that from you. | Hm. {Item}. Perhaps I was wrong about you.
afraid any: Please, there is no need for that. | All right, all right! Take what you want.
afraid any: Do not hurt me. I have people at home.
afraid any: My hands are up, see? | I do not want any trouble, I swear.
defiant any: You think that scares me? | Put that away before you embarrass yourself.
defiant any: I have buried louder people than you.
defiant any: Go ahead. The whole of {place} will know by morning. | I do not bend. Ask around.
no_politics any: I run with nobody. It keeps me breathing. | No crew. Just me and {place}.
no_politics any: Politics are for people with bodyguards.
no_memory warm: Help me, {you}, I cannot place it. | It has slipped my mind, and I am sorry for that.
no_memory even: Nothing comes to mind. | Should I? I see many faces in {place}.
no_memory even: I do not think we have a story yet, you and I.
no_memory cold: I make a point of not remembering you. | No. And I do not miss it.
remember warm: How could I forget? | Of course I remember, {you}. | That one I keep close.
remember even: I remember. | It comes back to me. | My memory is good, you know.
remember cold: Oh, I remember. | I forget nothing, least of all this. | You want to bring that up?
guess warm: I may mix things up, {you}. | Let me think. I am not sure it is what you mean.
guess warm: Do not hold me to it, {you}.
guess even: I am not certain. Something like this? | Only half, and maybe not what you ask. | If I have it right:
guess cold: You expect me to keep track of that? | Maybe. I do not write down what you say. | Close enough:
tell_about warm: For you, {you}: {known}. | Listen well, {you}. {Known}. | I will tell you what I know. {Known}.
tell_about even: {Known}. That is what everybody knows. | What I can tell you: {known}.
tell_about even: {Known}. The rest costs extra.
tell_about cold: {Known}. Now leave it. | {Known}. Read it on a wall next time.
dont_know warm: I would tell you if I knew, {you}. | That is beyond me, but I will keep my ears open.
dont_know even: Never heard of it. | I know nothing about that. | That does not ring a bell.
dont_know cold: Nothing I would tell you. | Not my business, and not yours.
gossip warm: For you, {you}, gladly. | Come closer, this is not for everybody. | I do hear things, {you}.
gossip even: Since you ask. | One hears things in {place}. | There is something. | I keep my ears open.
gossip cold: One thing, and then leave me be. | Fine. You did not hear it from me.
hint_work any: There is work, if you ask me properly for it. | I might have a job. Ask, and mean it.
hint_work any: Work? Ask me straight and we will see.
offer_work warm: I have just the thing for you, {you}: "{title}". {Task} It pays {reward}.
offer_work warm: "{title}", {reward}, and I want you for it. {Task}
offer_work even: There is a job: "{title}". {Task} {reward} when it is done.
offer_work even: I need "{title}" taken care of. {Task} Pay is {reward}.
offer_work cold: I would ask somebody else, but nobody is here. "{title}", {reward}. {Task}
offer_work cold: "{title}". {Task} {reward}, and do not be late.
repeat_work any: I told you already: "{title}", {reward}. | One thing at a time. "{title}" is still open.
repeat_work any: First "{title}". Then we talk again.
no_work any: I have no work to give. | Nothing for you here. Try somebody with an office.
no_work any: I do not hand out jobs, I barely have one.
refuse_work any: Work? For you? Not in this life. | I do not hire people I have to watch.
refuse_work any: Make peace with me first. Then ask again.
obey warm: On it, {you}: {order}. | You can count on me. {Order}. | Gladly. {Order}, right away.
obey even: All right. {Order}. | Understood. {Order}. | Fine, {order}.
obey cold: If I must. {Order}. | {Order}. But you owe me for it.
refuse_order warm: I love you, {you}, but no. Not that. | Not this one. {Order}? That gets us both killed.
refuse_order even: No. {Order} is a bad idea. | I will not do it. {Order}? Think again. | Count me out of this one.
refuse_order cold: {Order}? Do it yourself. | I do not take that from you. | No. You have not earned that from me.
how_are_you warm: Never better. {place} is kind to me today. | Good, now that you are here, {you}.
how_are_you warm: I could sing. I will spare you.
how_are_you even: Getting by. | One day after the other. | Quiet, and quiet is good in {place}.
how_are_you cold: How does it look? | I have had better days and better company. | Do not ask.
politics warm: I am with {own}, and proud of it. | {own} is family to me.
politics warm: {own} looks after me, and I look after {own}.
politics even: I answer to {own}. | {own}. Everybody in {place} answers to somebody.
politics even: {own} keeps the peace where I stand.
politics cold: {own}. So think before you do something stupid. | {own} stands behind me. Who stands behind you?
account warm: You want to know where we stand? Close, {you}. | I keep count, and I like the sum. | Honest answer, then.
account even: You ask where we stand. | I keep count, you know. | An honest question gets an honest answer.
account cold: You want the bill? | I keep count, and you will not like the sum. | You really ask me that?
warn_owner any: I am close to walking out on you. | One more and you will be looking at my back.
warn_owner any: I tell you once, {you}: I am about to go. | This is the last warning you get from me.
warn_owner any: You are losing me, {you}. | Keep on like this and you walk alone. | My bag is packed, {you}.
leave_owner any: That is it. I am gone. | You and I are done, {you}. | Find somebody else to bleed for you.
leave_owner any: I warned you, {you}. Now I am walking. | Carry your own trouble from here on.
leave_owner any: Here our roads part, {you}. | I have carried you long enough.
betray_owner any: Somebody made me a better offer, and it has your name on it. | You should have paid me more respect.
betray_owner any: Nothing personal, {you}. You taught me how this works. | Look behind you, {you}. Too late.
betray_owner any: I know all your doors, {you}, and now others do too. | From today I eat at another table.
refuse_action warm: I would do a lot for you, {you}, but not that. | That one I cannot give you.
refuse_action warm: Ask me for anything else. | I am sorry, {you}, but no.
refuse_action even: That I will not do. | You ask too much. | No, that is not how it works in {place}.
refuse_action even: I have to say no to that. | Not for the asking.
refuse_action cold: You must be joking. | Not in this life. | You have a nerve to ask. | Dream on.
deflect warm: Let us talk about something else, {you}. | Not in front of the whole of {place}. | Leave that be, {you}.
deflect warm: Ask me about anything but that. | I would rather hear how you are, {you}.
deflect even: I did not catch that, and I do not want to. | Let us stay with what matters. | That leads nowhere.
deflect even: You lost me there. | Say something a person in {place} would say. | That is not a thing I talk about.
deflect cold: Whatever that was, no. | I am not having that talk with you. | Try that on somebody else.
listen warm: I hear you, {you}. | Go on. | Let me think. | Come closer. | Well now. | One second, {you}. | Of course.
listen even: Hm. | Let me think. | Well. | Right. | One second. | So. | Go on. | Let me see.
listen cold: Hm. | What now. | Huh. | You again. | Make it quick. | Well? | So. | Right.
one_moment warm: One moment, {you}, I am in a talk. | You are next, {you}. | I will be with you in a second.
one_moment even: One moment. | Wait your turn. | I am talking. You are next. | In a second.
one_moment cold: Wait. | Not now. | I am talking to somebody. | You can see I am busy.
deflect cold: You talk, I do not listen. | Save your tricks for the card tables. | Not a word of that in {place}.
""")

HAILS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = table("""
greet warm: Hey. | Hello, hello. | Look at that. | Ah, at last. | Welcome. | There we go. | What a sight. | Well, well.
greet even: Hello. | Yeah. | Right. | Mm-hm. | Well. | Hey there. | So. | Good day. | Now then.
greet cold: Great. | Oh, you. | Not now. | Well, well. | Huh. | Look at that. | Wonderful. | Of course. | So.
bye warm: All right. | Good talk. | Well then. | Go on. | Right. | Off you go. | Until then. | Good.
bye even: All right. | Okay. | Well then. | Fine. | That is all. | Good. | Sure. | Yeah.
bye cold: About time. | Right. | Fine. | Well then. | Enough. | Good. | So be it. | Yeah.
afraid any: Wait! | No, no! | Easy! | Please! | Stop! | Listen! | Hold on! | God! | Look! | Hey! | Careful!
""")
"""Openings of the acts that no voice opens."""

REASONS: Final[Mapping[str, tuple[str, ...]]] = {
    "no_skill": ("Nobody ever taught me that.", "I would not know where to begin.", "Find one who has learned it."),
    "said_no": ("I said no, and I meant it.", "Asking twice changes nothing.", "You have had my answer."),
    "distrust": ("I do not trust you enough for that.", "You have not been good enough to me for that."),
    "fear": ("I am scared, and I am not ashamed of it.", "My hands shake at the thought.", "I want to see tomorrow."),
    "green": ("I am not ready for that yet.", "Ask me when I have seen more.", "I would only get us both caught."),
    "danger": ("That is a good way to die.", "The odds are bad, and you know it.", "There has to be a safer way."),
    "hated": ("We are not on such terms, and you know why.", "After what you did, be glad that I talk to you."),
    "stranger": ("I hardly know you.", "We would have to know each other better for that."),
    "not_present": (
        "I have no quarrel with anybody who is not here.",
        "I do not do that to people behind their backs.",
    ),
    "no_cause": ("You have given me no cause for that.", "There is no reason for it."),
    "no_danger": ("What should I run from?", "Nobody here frightens me."),
    "afraid": ("I am no fighter.", "I would not live to tell it."),
    "not_mine": ("I do not have such a thing.", "You cannot get from me what I do not own."),
    "money": ("My money stays where it is.", "I do not hand out money."),
    "keepsake": ("It was a gift from you, and I keep it.", "You gave me that yourself, and I do not return gifts."),
    "enough": ("You have had enough from me for one day.", "Do not ask twice on one day."),
    "code": ("People like me do not call the police.", "In my line nobody talks to the police."),
    "no_work": ("I have no such work to give.", "That job does not exist."),
    "not_asked": ("If it is work you want, ask me for it properly.", "I do not push work on people."),
    "not_owner": ("I take that from one person only, and it is not you.", "You are not the one I follow."),
    "gone": ("Those days are over.", "I walk on my own now."),
    "unknown": ("I do not know what you want of me.", "That is not a thing I do."),
}
"""Why an order or a request is refused, by the reason code of the rules."""
CAUSES: Final = (
    "I have not forgotten this: {cause}.",
    "There is still this between us: {cause}.",
    "I say only: {cause}.",
)
"""The grievance of the speaker against the listener."""
ACCOUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    "for": ("What speaks for you: {for}.", "This I count in your favour: {for}."),
    "against": ("What I hold against you: {against}.", "This I count against you: {against}."),
    "nothing": ("There is little between us so far, good or bad.", "So far the page is empty."),
}

FRIEND: Final = (
    "{friend} are good to us.",
    "We can lean on {friend}.",
    "With {friend} we share more than one enemy.",
)
ENEMY: Final = (
    "{enemy}? Do not say that name in here.",
    "One day {enemy} will pay for what they did.",
    "If {enemy} sent you, turn round now.",
    "It is {enemy} we keep an eye on.",
)

STANDING: Final[Mapping[str, tuple[str, ...]]] = {
    "enemy": ("You are dead to me.", "You and I are enemies, do not forget it."),
    "hostile": ("We are not friends.", "I do not like you, and you know why."),
    "wary": ("I am keeping an eye on you.", "I am not sure about you."),
    "neutral": ("I do not know yet what to make of you.", "You are neither here nor there with me."),
    "friendly": ("You are all right with me.", "I have come to like you."),
    "trusted": ("I trust you, and I trust few.", "You are one of the good ones."),
    "family": ("You are family to me.", "I would walk through fire for you."),
}
MOOD: Final[Mapping[str, tuple[str, ...]]] = {
    "dark": ("It is a black day.", "I am in no mood for anything."),
    "sour": ("I got up on the wrong side today.", "Mind my temper today."),
    "calm": ("It is a quiet day.", "No complaints so far."),
    "good": ("It is a fine day.", "Things are looking up."),
    "elated": ("What a day this is!", "I could hug the whole of {place}."),
}

MEMORIES: Final[Mapping[str, tuple[str, ...]]] = {
    "own gift": (
        "{Age} you {deed}. I have not forgotten.",
        "You {deed} {age}. That stays with me.",
        "{Age} it was, you {deed}.",
    ),
    "own threat": (
        "{Age} you {deed}. I do not forget such a thing.",
        "You {deed} {age}, and I still hear it.",
        "It was {age} that you {deed}. It is not forgiven.",
    ),
    "own talk": (
        "{Age} you {deed}",
        "You stood right here, {age}, and you {deed}",
        "I still have your words. {Age} you {deed}",
    ),
    "own seen": (
        "{Age} I saw it with my own eyes: you {deed}.",
        "Nobody told me, I was there: {age} you {deed}.",
        "{Age} you {deed}. I stood across the street.",
    ),
    "own met": ("{Age} you {deed}.", "I know your face: {age} you {deed}."),
    "own work": ("{Age} you {deed}.", "You {deed} {age}, remember?"),
    "own order": ("{Age} you {deed}.", "You {deed} {age}, and I was there."),
    "own deed": ("{Age} we went through this together: {text}.", "You and I, {age}: {text}."),
    "own witnessed": (
        "I saw it myself, {age}: {text}. That was you.",
        "{Age} I had my eyes open: {text}. And you in the middle of it.",
    ),
    "own rumour": (
        "People talk about you. {Age} I heard this: {text}.",
        "Word reached me {age}: {text}. They meant you.",
    ),
    "own told": ("What I know of you, {age}: {text}.", "I was told of you, {age}: {text}."),
    "own inferred": ("I put two and two together: {text}. That is how I see you.",),
    "witnessed": (
        "{Age} I saw it with my own eyes: {text}.",
        "I was there, {age}: {text}.",
        "{Age} it happened: {text}.",
    ),
    "rumour": (
        "They say, since {age}: {text}.",
        "Word on the corner, {age}: {text}.",
        "I only heard it, {age}: {text}.",
    ),
    "told": ("I was told, {age}: {text}.", "What I know is this: {text}."),
    "inferred": ("I put two and two together: {text}.", "Nobody told me, but I think: {text}."),
    "promise": ("There is a promise still open: {text}.",),
    "identity": ("I know who I am: {text}.",),
}
